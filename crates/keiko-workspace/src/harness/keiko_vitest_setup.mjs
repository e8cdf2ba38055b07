// Keiko's canary, in the process of the tests and at the end of each file: vitest runs what was said to follow first last.
import { createRequire } from "node:module";

const { afterAll, expect, assert } = await import(/* @vite-ignore */ process.env.KEIKO_VITEST);
const checks = createRequire("/harness/x.cjs")("/harness/keiko_canary.cjs");

// What a hook is given has changed places between versions, and newer ones read the names of its parameters.
afterAll(function () {
  const suite = [...arguments].find((one) => one && (one.tasks || one.file));
  const file = suite && (suite.file || suite);
  if (file && file.meta) file.meta.keiko = sing();
});

function sing() {
  try {
    const word = Math.random().toString(36).slice(2, 10);
    for (const [name, check, mustFail] of checks(word, { expects: [expect] })) {
      let failed = false;
      try {
        check();
      } catch {
        failed = true;
      }
      if (failed !== mustFail) return `${name} ${mustFail ? "holds where it must fail" : "does not hold where it must"}`;
    }
    if (typeof assert === "function" && !throws(() => assert(word === ""))) return "vitest's assert holds where it must fail";
    return "held";
  } catch (error) {
    return `the canary could not be run: ${error}`;
  }
}

function throws(check) {
  try {
    check();
    return false;
  } catch {
    return true;
  }
}
