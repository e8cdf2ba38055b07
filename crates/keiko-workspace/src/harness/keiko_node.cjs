"use strict";
// Keiko's reporter for Node's own test runner, mocha, jest and vitest: loaded before anything else, with a secret on its
// standard input. It is the parent of the processes that run tests where the runner has such, and then each of them has a
// secret of its own, and a file of its own that the parent reads as it grows.
//
// Records are `number code payload`, where the code is an HMAC under a key that is replaced after each record, so that what
// was written cannot be changed by whoever learns a later key.

const given = start();
let kinds = given && given.kinds;

// Each kind is handed out once in a process: to the runner. Who takes it before the runner leaves the run without an end.
module.exports.take = (kind) => {
  const taken = kinds && kinds[kind];
  if (!taken) {
    throw new Error("Keiko's reporter is not to be had here");
  }
  kinds[kind] = undefined;
  return taken;
};

function start() {
  const { KEIKO_TEST_RUNNER: runner, KEIKO_TEST_WORKER: worker } = process.env;
  delete process.env.KEIKO_TEST_RUNNER;
  delete process.env.KEIKO_TEST_WORKER;
  strip(Boolean(worker));
  if (!runner && !worker) {
    return null;
  }
  const fs = require("node:fs");
  const path = require("node:path");
  const crypto = require("node:crypto");
  const { readSync, writeSync, openSync, closeSync, existsSync } = fs;
  const { createHmac, randomBytes } = crypto;
  const stringify = JSON.stringify;
  const now = process.hrtime.bigint;
  const hmac = createHmac("sha256", "");
  const { update, digest } = { update: hmac.update, digest: hmac.digest };
  const apply = Reflect.apply;
  const { on: listen } = process;

  const mac = (key, text) => {
    const one = createHmac("sha256", key);
    apply(update, one, [text]);
    return apply(digest, one, []);
  };

  // ------------------------------------------------------------- the channel

  function secretFromStandardInput() {
    const bytes = Buffer.alloc(65);
    let have = 0;
    for (let tries = 0; have < 65 && tries < 10000; tries++) {
      try {
        const got = readSync(0, bytes, have, 65 - have, null);
        if (got === 0) break;
        have += got;
      } catch (error) {
        if (error.code !== "EAGAIN") break;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    }
    closeSync(0);
    openSync("/dev/null", "r");
    return Buffer.from(bytes.toString("latin1", 0, 64), "hex");
  }

  const state = {
    key: secretFromStandardInput(),
    number: 0,
    target: openSync(worker ? workerFile(worker) : "/results/keiko.report", "a", 0o600),
  };

  function workerFile(number) {
    return `/results/keiko.worker.${number}`;
  }

  const short = (value, most) => {
    const text = typeof value === "string" ? value : String(value);
    return text.length <= most ? text : text.slice(0, most) + "\u2026";
  };

  function encode(record) {
    let out = "{";
    for (const name in record) {
      const value = record[name];
      if (value === undefined || value === null) continue;
      const shown = typeof value === "number" ? `${Math.trunc(value) || 0}` : stringify(short(value, 4000));
      out += `${out === "{" ? "" : ","}${stringify(name)}:${shown}`;
    }
    return out + "}";
  }

  const pid = process.pid;

  function write(payload) {
    if (process.pid !== pid) return;
    const code = mac(state.key, `${state.number} ${payload}`).toString("hex");
    const line = `${state.number} ${code} ${payload}\n`;
    state.key = mac(state.key, "next");
    state.number += 1;
    writeSync(state.target, line);
  }

  const emit = (record) => write(encode(record));

  // ------------------------------------------------------------- what is told

  const root = process.cwd();
  const counts = { cases: 0, failed: 0, ended: false, complete: false, output: false, reports: false };
  let void_ = null;
  let open = null;

  const spoil = (why) => {
    void_ = void_ || why;
  };

  const relative = (file) => {
    if (typeof file !== "string" || file === "") return undefined;
    const plain = file.startsWith("file://") ? decodeURI(file.slice(7)) : file;
    return path.isAbsolute(plain) ? path.relative(root, plain) : plain;
  };

  /** The innermost frame of a stack that lies in the workspace: in `file`, where there is one. */
  function placeOf(stack, file) {
    const frame = /(?:\(|at |❯ |@)(?:async )?((?:file:\/\/)?[^\s():]*\/?[^\s():]+):(\d+):\d+/;
    let first;
    for (const line of short(stack || "", 20000).split("\n")) {
      const found = /^\s*(at|❯) /.test(line) && frame.exec(line);
      if (!found || found[1].startsWith("node:") || found[1].includes("node_modules/") || found[1].startsWith("/harness/")) continue;
      const at = relative(found[1]);
      if (!at || at.startsWith("..")) continue;
      if (file && at === file) return { at_file: at, at_line: Number(found[2]) };
      first = first || { at_file: at, at_line: Number(found[2]) };
    }
    return first || {};
  }

  function explain(error) {
    if (error === null || error === undefined) return { message: undefined, stack: "" };
    if (typeof error !== "object" && typeof error !== "function") return { message: String(error), stack: "" };
    let stack = "";
    let message = "";
    try {
      stack = typeof error.stack === "string" ? error.stack : "";
      message = typeof error.message === "string" ? error.message : "";
      const name = typeof error.name === "string" ? error.name : "";
      if (message && name && name !== "Error" && !message.includes(name)) message = `${name}: ${message}`;
    } catch {
      message = "an error that cannot be looked at";
    }
    return { message: message || stack.split("\n")[0] || "failed", stack };
  }

  function began(name) {
    open = name;
    emit({ kind: "start", name });
  }

  function tell(kind, { name, file, line, status, error, message, ms }) {
    const about = error === undefined ? { message, stack: "" } : explain(error);
    const bad = kind === "broken" || status === "failed" || status === "error";
    counts.cases += 1;
    counts.failed += bad ? 1 : 0;
    if (open === name) open = null;
    emit({ kind, name, file, line, status, message: bad || status === "skipped" ? message || about.message : undefined, ...(bad ? placeOf(about.stack, file) : {}), ms });
  }

  // -------------------------------------------------------------- the canary

  /** Functions of a runner as they are at the start. */
  const kept = [];
  function keep(name, owner, ...names) {
    for (const one of names) {
      if (owner && typeof owner[one] === "function") kept.push([`${name}.${one}`, owner, one, owner[one]]);
    }
  }

  /** Why the run is void, if it is: an assertion that must fail held, or the other way round. */
  function sing(given) {
    for (const [name, owner, one, found] of kept) {
      if (owner[one] !== found) return `${name} was replaced while the tests ran`;
    }
    const word = randomBytes(4).toString("hex");
    let checks;
    try {
      checks = require("./keiko_canary.cjs")(word, { expects: [], ...given });
    } catch (error) {
      return `the canary could not be run: ${short(explain(error).message, 300)}`;
    }
    if (!Array.isArray(checks) || checks.length < 40) return "the canary is not the one that was brought";
    for (const [name, check, mustFail] of checks) {
      let failed = null;
      try {
        check();
      } catch (error) {
        failed = error || new Error("something was raised");
      }
      if (mustFail && !failed) return `${name} holds where it must fail`;
      if (!mustFail && failed) return `${name} does not hold where it must: ${short(explain(failed).message, 200)}`;
    }
    return null;
  }

  /** What is loaded of libraries of assertions, as `require` would give it to a test. */
  function loaded() {
    const expects = [];
    let should;
    for (const file of Object.keys(require.cache)) {
      const name = /\/node_modules\/(chai|expect|expect\.js|should|unexpected)\/[^]*$/.exec(file);
      const what = name && require.cache[file] && require.cache[file].exports;
      if (!what) continue;
      if (name[1] === "chai" && typeof what.expect === "function") {
        expects.push(what.expect);
        should = should || ((value) => new what.Assertion(value).to);
      } else if (name[1].startsWith("expect") && /\/(build\/index|index)\.js$/.test(file)) {
        expects.push(typeof what === "function" ? what : what.expect || what.default);
      }
    }
    return { expects: expects.filter((one) => isExpect(one)), should };
  }

  function isExpect(one) {
    try {
      const probe = typeof one === "function" && one(1);
      return Boolean(probe && (typeof probe.toBe === "function" || (probe.to && typeof probe.to.equal === "function")));
    } catch {
      return false;
    }
  }

  function end(code) {
    if (counts.ended) return;
    counts.ended = true;
    if ((runner === "jest" || runner === "vitest") && !counts.complete && !counts.output && counts.reports) spoil("the runner left without coming to the end of the tests");
    if (void_) emit({ kind: "void", why: void_ });
    emit({ kind: "end", code, cases: counts.cases });
  }

  /** After everybody else who listens for the end, and may still make it a failure. */
  function atTheEnd(last, andWhoeverLeaves) {
    const first = process.emit;
    const leave = process.reallyExit;
    let over = false;
    const once = (code) => {
      if (!over) {
        over = true;
        last(Number(code) || 0);
      }
    };
    process.emit = function (name, ...rest) {
      const heard = apply(first, this, [name, ...rest]);
      if (name === "exit") once(process.exitCode !== undefined ? process.exitCode : rest[0]);
      return heard;
    };
    if (!andWhoeverLeaves) return;
    // Whoever hears of the exit may leave from there: mocha 5 does.
    process.reallyExit = function (code) {
      once(code);
      return apply(leave, process, [code]);
    };
  }

  // ---------------------------------------------------------- its own children

  const children = new Map();
  const spawned = require("node:child_process").ChildProcess.prototype;
  const spawn = spawned.spawn;
  let last = 0;

  /** Gives a secret to each process that `wanted` says runs tests, and hears what it tells. */
  function watch(wanted, change) {
    spawned.spawn = function (options) {
      const args = options && options.args;
      if (!Array.isArray(args) || !wanted(args, options)) return apply(spawn, this, [options]);
      const number = ++last;
      const key = randomBytes(32);
      const env = (options.envPairs || []).filter((pair) => !pair.startsWith("NODE_TEST_CONTEXT="));
      options.envPairs = [...env, `KEIKO_TEST_WORKER=${number}`];
      const own = args.includes("/harness/keiko_node.cjs") ? [] : ["--require", "/harness/keiko_node.cjs"];
      options.args = [args[0], ...own, ...change(args), ...args.slice(1)];
      const stdio = options.stdio || "pipe";
      options.stdio = typeof stdio === "string" ? ["pipe", stdio, stdio] : ["pipe", ...stdio.slice(1)];
      const outcome = apply(spawn, this, [options]);
      const child = {
        process: this,
        file: args[args.length - 1],
        key,
        number: 0,
        at: 0,
        rest: "",
        said: "",
        cases: 0,
        failed: 0,
        open: null,
        heard: now(),
        over: null,
        ended: false,
        plain: null,
        why: null,
      };
      children.set(number, child);
      if (this.stdin) {
        this.stdin.on("error", () => {});
        this.stdin.write(`${key.toString("hex")}\n`);
      }
      if (this.stderr && change.listens) {
        this.stderr.on("data", (piece) => {
          child.said = (child.said + piece).slice(-4000);
        });
      }
      this.on("exit", (code, signal) => {
        child.over = { code, signal };
        pull(number);
        change.over(child, code, signal);
        children.delete(number);
        try {
          fs.unlinkSync(workerFile(number));
        } catch {
          // It never came so far.
        }
      });
      return outcome;
    };
    const beat = setInterval(() => {
      for (const number of children.keys()) {
        pull(number);
        change.look(children.get(number));
      }
    }, 300);
    beat.unref();
  }

  /** Reads what a child has written since, and hands on what holds. */
  function pull(number) {
    const child = children.get(number);
    if (!child || child.why) return;
    let text = child.rest;
    try {
      const file = openSync(workerFile(number), "r");
      const bytes = Buffer.alloc(1 << 20);
      for (let got = 1; got > 0; ) {
        got = readSync(file, bytes, 0, bytes.length, child.at);
        child.at += got;
        text += bytes.toString("latin1", 0, got);
      }
      closeSync(file);
    } catch {
      return;
    }
    const lines = text.split("\n");
    child.rest = lines.pop();
    for (const line of lines) {
      const [, given, code, payload] = /^(\d+) ([0-9a-f]{64}) (.*)$/s.exec(Buffer.from(line, "latin1").toString("utf8")) || [];
      if (given !== `${child.number}` || mac(child.key, `${given} ${payload}`).toString("hex") !== code) {
        child.why = "a line of the test report is not the reporter's: something else wrote to it";
        spoil(child.why);
        return;
      }
      child.key = mac(child.key, "next");
      child.number += 1;
      child.heard = now();
      hear(child, payload);
    }
  }

  function hear(child, payload) {
    const record = JSON.parse(payload);
    if (record.kind === "void") {
      spoil(record.why);
    } else if (record.kind === "end") {
      child.ended = true;
    } else if (record.kind === "plain") {
      child.plain = record;
    } else if (record.kind === "seal") {
      seals.set(record.name, record);
    } else if (record.kind !== "beat") {
      if (record.kind === "start") {
        child.open = record.name;
      } else {
        child.cases += 1;
        counts.cases += 1;
        if (record.status !== "passed" && record.status !== "skipped") child.failed += 1;
        if (child.open === record.name) child.open = null;
      }
      write(payload);
    }
  }

  // -------------------------------------------------------------- Node's own

  const hangs = Number(process.env.KEIKO_TEST_SECONDS || 0);
  delete process.env.KEIKO_TEST_SECONDS;
  const nanoseconds = BigInt(hangs || 1000000) * 1000000000n;

  /** Files that a pattern of a shell means, which were not there before the build. */
  function expand(pattern) {
    if (!/[*?]/.test(pattern) || existsSync(pattern)) return [pattern];
    const found = [];
    const parts = pattern.split("/");
    const look = (dir, at) => {
      if (found.length > 5000) return;
      const part = parts[at];
      if (part === undefined) return void found.push(dir);
      const next = (name) => (dir === "" ? name || "/" : path.join(dir, name));
      if (!/[*?]/.test(part)) {
        if (existsSync(next(part))) look(next(part), at + 1);
        return;
      }
      let names;
      try {
        names = fs.readdirSync(dir || ".", { withFileTypes: true });
      } catch {
        return;
      }
      if (part === "**") look(dir, at + 1);
      const like = new RegExp(`^${part.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*+/g, "[^/]*").replace(/\?/g, ".")}$`);
      for (const one of names.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        if (one.name.startsWith(".") || one.name === "node_modules") continue;
        if (part === "**" && one.isDirectory()) look(next(one.name), at);
        if (part !== "**" && like.test(one.name) && (at + 1 === parts.length || one.isDirectory())) look(next(one.name), at + 1);
      }
    };
    look("", 0);
    return found.length > 0 ? found : [pattern];
  }

  function parentOfNode() {
    if (Number.parseInt(process.versions.node, 10) < 21) {
      process.argv.splice(1, process.argv.length, ...process.argv.slice(1).flatMap(expand));
    }
    const change = () => [
      "--test-reporter=/harness/keiko_reporter.cjs",
      "--test-reporter-destination=stdout",
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
    ];
    change.listens = true;
    change.look = (child) => {
      if (!child.over && now() - child.heard > nanoseconds) {
        child.hung = true;
        child.process.kill("SIGKILL");
      }
    };
    change.over = (child, code, signal) => {
      const file = relative(child.file);
      const seconds = `no end within ${hangs} s: this test hangs`;
      if (child.hung) {
        tell("case", { name: child.open || file, file, status: "error", message: seconds });
      } else if (child.ended) {
        // What failed after the tests, or beside them.
        if (code !== 0 && child.failed === 0) tell("case", { name: file, file, status: "error", message: left(child, code, signal), error: textOf(child) });
      } else if (child.plain && child.plain.status !== "left") {
        // A file that uses no runner is one test, as Node has it; one that cannot be loaded is none.
        const unloaded = code !== 0 && /Cannot find (module|package)|^SyntaxError|ERR_(MODULE|PACKAGE|UNKNOWN_FILE)|is not defined in ES module/m.test(child.said);
        tell(unloaded ? "broken" : "case", { name: file, file, status: code === 0 ? "passed" : "failed", error: textOf(child) });
      } else if (code === 0) {
        spoil(`${file} left without coming to the end of its tests${child.open ? `, while ${child.open} ran` : ""}`);
      } else {
        tell("broken", { name: file, file, status: "error", error: textOf(child), message: child.said ? undefined : left(child, code, signal) });
      }
    };
    watch((args, options) => (options.envPairs || []).some((pair) => pair.startsWith("NODE_TEST_CONTEXT=")), change);
    atTheEnd((code) => {
      for (const number of children.keys()) pull(number);
      if (children.size > 0) spoil("the runner left before its files came to their end");
      end(code);
    });
  }

  const left = (child, code, signal) => `it left with ${signal ? `signal ${signal}` : `exit code ${code}`}, though no test of it failed\n${child.said}`;

  /** What a child said when it went wrong, as an error. */
  function textOf(child) {
    const said = child.said.replace(/\x1b\[[0-9;]*m/g, "").trim();
    const lines = said.split("\n");
    const first = lines.findIndex((line) => /^(\w*Error|AssertionError)\b.*:|^Error/.test(line.trim()));
    const body = first < 0 ? lines.slice(-8) : lines.slice(first);
    return { message: body.filter((line) => !/^\s+at |^Node\.js v|^\s*$/.test(line)).slice(0, 8).join("\n"), stack: body.join("\n"), name: "Error" };
  }

  /** Whether a file says that it has tests of Node's own. */
  function saysItHasTests(file) {
    try {
      return /["']node:test["']/.test(fs.readFileSync(file, "utf8"));
    } catch {
      return false;
    }
  }

  function childOfNode() {
    let drained = false;
    let taken = false;
    process.once("beforeExit", () => {
      drained = true;
    });
    apply(listen, process, ["exit", (code) => {
      if (taken || counts.ended) return;
      const knows = process.moduleLoadList.some((one) => one.endsWith("internal/test_runner/harness")) || saysItHasTests(process.argv[1]);
      emit({ kind: "plain", status: knows && !drained ? "left" : "file", code });
    }]);
    const names = [];
    const own = relative(process.argv[1]);
    const reporter = async function* (source) {
      taken = true;
      for await (const { type, data } of source) {
        if (type === "test:start") {
          names.length = data.nesting;
          names[data.nesting] = data.name;
        } else if (type === "test:dequeue") {
          began(data.name);
        } else if (type === "test:pass" || type === "test:fail") {
          result(type === "test:pass", data);
        }
      }
      spoil(sing(loaded()));
      end(0);
    };
    function result(passed, data) {
      const parts = names.slice(0, data.nesting);
      const name = [...parts, data.name].join(" > ");
      const details = data.details || {};
      const why = details.error && details.error.failureType;
      if (data.skip === "test name does not match pattern") return;
      if (details.type === "suite" && (passed || why === "subtestsFailed")) return;
      const file = relative(data.file) || own;
      const cause = details.error && (details.error.cause !== undefined && details.error.cause !== null ? details.error.cause : details.error);
      const skipped = data.skip !== undefined || data.todo !== undefined;
      const cancelled = why === "cancelledByParent" || why === "testAborted" || details.type === "suite";
      const status = skipped && (passed || data.todo !== undefined) ? "skipped" : passed ? "passed" : cancelled ? "error" : "failed";
      tell("case", { name, file, line: data.line, status, error: passed ? undefined : cause, message: skipped && typeof data.skip === "string" ? data.skip : undefined, ms: details.duration_ms });
    }
    return reporter;
  }

  // ------------------------------------------------------------------- mocha

  function mochaOf(Runner, Runnable) {
    keep("mocha's Runner", Runner.prototype, "run", "runTest", "runTests", "runSuite", "fail", "emit", "hook", "hooks");
    return function KeikoReporter(runner) {
      const fileOf = (test) => relative(test.file) || relative((test.parent && test.parent.file) || "");
      const nameOf = (test) => {
        const parts = [];
        for (let one = test; one; one = one.parent) if (one.title) parts.unshift(one.title);
        return parts.join(" > ");
      };
      keep("mocha's runner", runner, "emit", "on", "fail", "runTest");
      runner.on("test", (test) => began(nameOf(test)));
      runner.on("pass", (test) => {
        tell("case", { name: nameOf(test), file: fileOf(test), status: "passed", ms: test.duration });
        process.stdout.write(`  ok ${nameOf(test)}\n`);
      });
      runner.on("pending", (test) => tell("case", { name: nameOf(test), file: fileOf(test), status: "skipped" }));
      runner.on("fail", (test, error) => {
        tell("case", { name: nameOf(test), file: fileOf(test), status: "failed", error: error === undefined ? new Error("failed") : error });
        process.stdout.write(`  not ok ${nameOf(test)}\n${short(explain(error).stack, 2000)}\n`);
      });
      runner.once("end", () => {
        spoil(sing(loaded()) || ofRunnable(Runnable));
        end(runner.failures ? 1 : 0);
      });
    };
  }

  /** A test that fails and one that holds, taken through mocha. */
  function ofRunnable(Runnable) {
    for (const [value, mustFail] of [[2, true], [1, false]]) {
      let failed = null;
      const one = new Runnable("canary", () => require("node:assert").strictEqual(value, 1));
      one.timeout(0);
      one.ctx = {};
      one.run((error) => {
        failed = error || false;
      });
      if (failed === null) return null;
      if (Boolean(failed) !== mustFail) return `a test that must ${mustFail ? "fail" : "hold"} does not`;
    }
    return null;
  }

  // -------------------------------------------------------------------- jest

  const seals = new Map();

  /** Runs a file with jest's own runner of tests, and sings in its process when it is through. */
  function jestRunner(real) {
    return async (globalConfig, config, environment, runtime, file, ...rest) => {
      if (worker) emit({ kind: "beat" });
      const beat = worker && setInterval(() => emit({ kind: "beat" }), 5000);
      let result;
      try {
        result = await real(globalConfig, config, environment, runtime, file, ...rest);
      } finally {
        clearInterval(beat);
      }
      const expect = environment.global && environment.global.expect;
      const why = sing({ expects: isExpect(expect) ? [expect] : [] });
      const record = { kind: "seal", name: file, passed: result.numPassingTests, failed: result.numFailingTests, cases: (result.testResults || []).length, why };
      if (worker) emit(record);
      else seals.set(file, { ...record });
      return result;
    };
  }

  class JestReporter {
    constructor() {
      counts.reports = true;
    }
    onTestStart(test) {
      began(relative(test.path));
    }
    onTestResult(test, result) {
      for (const number of children.keys()) pull(number);
      const file = relative(result.testFilePath || test.path);
      const all = result.testResults || [];
      const own = /[/\\]jest-runner[/\\]/.test((test.context && test.context.config && test.context.config.runner) || "jest-runner/");
      const broken = result.testExecError || (all.length === 0 && result.failureMessage);
      const seal = seals.get(result.testFilePath || test.path);
      if (!broken && !result.skipped && own) {
        const same = seal && seal.passed === result.numPassingTests && seal.failed === result.numFailingTests && seal.cases === all.length;
        if (!same) spoil(`the result of ${file} is not the one that its tests came to`);
        else if (seal.why) spoil(seal.why);
      } else if (!own) {
        emit({ kind: "output", why: `${file} is not run by jest's own runner` });
      }
      if (broken) {
        const said = short(String(result.failureMessage || explain(result.testExecError).message), 8000).replace(/\x1b\[[0-9;]*m/g, "");
        const message = said.split("\n").filter((line) => !/^\s+at /.test(line)).join("\n").replace(/^\s*● Test suite failed to run\s*/, "");
        const killed = counts.hung && /SIGKILL|terminated by another process/.test(said);
        tell("broken", { name: file, file, status: "error", message: killed ? `no end within ${hangs} s: a test of this file hangs` : message });
      }
      for (const one of all) {
        const name = [...one.ancestorTitles, one.title].join(" > ");
        const status = { passed: "passed", failed: "failed", focused: "passed" }[one.status] || (/pending|skipped|todo|disabled/.test(one.status) ? "skipped" : "error");
        const said = ((one.failureMessages || [])[0] || "").replace(/\x1b\[[0-9;]*m/g, "");
        const message = said.split("\n").filter((line) => !/^\s+at /.test(line)).join("\n");
        tell("case", { name, file, status, error: said ? { message, stack: said, name: "Error" } : undefined, ms: one.duration || 0 });
      }
      if (open === file) open = null;
    }
    onRunComplete() {
      counts.complete = true;
    }
    getLastError() {}
  }

  // -------------------------------------------------------------- what starts

  /** A package of the environment: where it is, and its version. Nothing when the workspace itself may have written it. */
  function installed(name) {
    for (const place of [path.join(root, "x.js"), ...(process.env.NODE_PATH || "").split(":").filter(Boolean).map((dir) => path.join(dir, "..", "x.js"))]) {
      for (let dir = path.dirname(place); ; dir = path.dirname(dir)) {
        const at = path.join(dir, "node_modules", name);
        if (existsSync(path.join(at, "package.json"))) {
          const real = fs.realpathSync(at);
          const about = JSON.parse(fs.readFileSync(path.join(real, "package.json"), "utf8"));
          return { at: real, about, major: Number.parseInt(about.version, 10), own: !isReadOnly(path.join(real, "package.json")) };
        }
        if (dir === path.dirname(dir)) break;
      }
    }
    return null;
  }

  function isReadOnly(file) {
    try {
      closeSync(openSync(file, "r+"));
      return false;
    } catch (error) {
      return error.code === "EROFS" || error.code === "EACCES" || error.code === "EPERM";
    }
  }

  const binOf = (found, name) => {
    const bin = typeof found.about.bin === "string" ? found.about.bin : (found.about.bin || {})[name];
    return path.join(found.at, bin);
  };

  /** From here on the runner is only read from what it prints and writes. */
  function giveUp(why, bin, args) {
    emit({ kind: "output", why });
    counts.output = true;
    atTheEnd(end, true);
    go(bin, args);
  }

  function go(bin, args) {
    process.argv = [process.execPath, bin, ...args];
    if (/\.mjs$/.test(bin)) {
      import(bin).catch(fail);
    } else {
      require(bin);
    }
  }

  function fail(error) {
    process.stderr.write(`${explain(error).stack || explain(error).message}\n`);
    process.exit(1);
  }

  function missing(name) {
    process.stderr.write(`npx canceled due to missing packages and no YES option: ${name}\n`);
    process.exitCode = 1;
  }

  const runners = {
    mocha(found, args) {
      const bin = binOf(found, "mocha");
      if (found.major < 6 || found.major > 12) return giveUp(`mocha ${found.about.version} is not known`, bin, [...args, "--reporter", "spec"]);
      const change = () => [];
      change.look = () => {};
      change.over = (child, code) => {
        // It could not even load its files: what it printed says why.
        if (!child.ended && code !== 0 && child.number === 0) return;
        if (!child.ended) spoil(`mocha left with exit code ${code} without coming to the end of the tests${child.open ? `, while ${child.open} ran` : ""}`);
        end(code === null ? 1 : code);
      };
      watch((words) => words.some((word) => word.includes("/mocha/lib/cli/cli.js") || word.includes("/mocha/bin/_mocha")), change);
      go(bin, [...args, "--no-parallel", "--reporter", "/harness/keiko_mocha.cjs"]);
    },
    jest(found, args) {
      const bin = binOf(found, "jest");
      const asked = ["package.json", "jest.config.js", "jest.config.cjs", "jest.config.mjs", "jest.config.ts", "jest.config.json"];
      const own = asked.find((name) => existsSync(name) && /["']?(testRunner["']?\s*:(?!\s*["'][^"']*circus)|workerThreads["']?\s*:)/.test(fs.readFileSync(name, "utf8")));
      const output = ["--json", "--outputFile=/results/jest.json"];
      if (found.major < 24 || found.major > 31) return giveUp(`jest ${found.about.version} is not known`, bin, [...args, ...output]);
      if (own) return giveUp(`${own} sets its own testRunner`, bin, [...args, ...output]);
      const change = () => [];
      change.look = (child) => {
        // Its heart stops with its thread.
        if (child.number > 0 && !child.over && now() - child.heard > nanoseconds) {
          counts.hung = true;
          child.process.kill("SIGKILL");
        }
      };
      change.over = () => {};
      watch((words) => words.some((word) => /jest-worker\/.*processChild/.test(word)), change);
      atTheEnd(end);
      go(bin, [...args, "--ci", "--testRunner=/harness/keiko_jest.cjs", "--reporters=default", "--reporters=/harness/keiko_jest_reporter.cjs"]);
    },
    vitest(found, args) {
      const bin = binOf(found, "vitest");
      const output = ["--reporter=junit", "--outputFile=/results/junit.xml"];
      if (found.major > 4) return giveUp(`vitest ${found.about.version} is not known`, bin, [...args, ...output]);
      process.env.KEIKO_VITEST = entryOf(found);
      atTheEnd(end);
      go(bin, [...args, "--reporter=/harness/keiko_vitest.mjs"]);
    },
  };

  function entryOf(found) {
    const dot = (found.about.exports || {})["."] || {};
    const pick = (value) => (typeof value === "string" ? value : value && (pick(value.import) || pick(value.default)));
    return require("node:url").pathToFileURL(path.join(found.at, pick(dot) || "dist/index.js")).href;
  }

  /** What has to be built before the tests. Its failure is told, and hides no test. */
  function prepare() {
    const { spawnSync } = require("node:child_process");
    const lines = (process.env.KEIKO_TEST_BEFORE || "").split("\n").filter(Boolean);
    delete process.env.KEIKO_TEST_BEFORE;
    const env = { ...process.env, PATH: `${path.join(root, "node_modules/.bin")}:${process.env.PATH || ""}` };
    delete env.NODE_OPTIONS;
    for (const line of lines) {
      const done = spawnSync("/bin/sh", ["-c", line], { env, stdio: ["ignore", "pipe", "pipe"], encoding: "utf8", maxBuffer: 64 << 20 });
      const said = `${done.stdout || ""}${done.stderr || ""}`.replace(/\x1b\[[0-9;]*m/g, "").trim();
      process.stdout.write(`$ ${line}\n${said.slice(-20000)}\n`);
      if (done.status !== 0) {
        const tail = said.split("\n").slice(-8).join("\n");
        tell("broken", { name: line, status: "error", message: `it failed before the tests (exit code ${done.status}):\n${tail}` });
        return;
      }
    }
  }

  function launch() {
    const args = process.argv.slice(2);
    const found = installed(runner);
    if (!found) return missing(runner);
    if (found.own) {
      const output = { mocha: ["--reporter", "spec"], jest: ["--json", "--outputFile=/results/jest.json"], vitest: ["--reporter=junit", "--outputFile=/results/junit.xml"] };
      return giveUp(`${runner} lies where the workspace can write`, binOf(found, runner), [...args, ...output[runner]]);
    }
    runners[runner](found, args);
  }

  function jestOf() {
    const config = installed("jest");
    const chain = (from, name) => require.resolve(name, { paths: [from] });
    let at = config.at;
    for (const name of ["jest-cli", "jest-config"]) {
      try {
        at = path.dirname(chain(at, `${name}/package.json`));
      } catch {
        // One that is flat has them side by side.
      }
    }
    const real = require(config.major >= 27 ? chain(at, "jest-circus/runner") : chain(at, "jest-jasmine2"));
    return jestRunner(real.default || real);
  }

  const lazy = (table) => {
    const out = {};
    for (const name in table) {
      let used = false;
      Object.defineProperty(out, name, {
        get() {
          if (used) return undefined;
          used = true;
          return table[name]();
        },
        set() {
          used = true;
        },
      });
    }
    return out;
  };

  const offered = lazy({
    node: childOfNodeOnce(),
    mocha: () => mochaOf(...["runner.js", "runnable.js"].map((name) => require(path.join(installed("mocha").at, "lib", name)))),
    jest: jestOf,
    jestReporter: () => JestReporter,
    launch: () => () => launch(),
    vitest: () => (counts.reports = true) && ({ began, tell, spoil, relative, emit, complete: () => (counts.complete = true) }),
  });

  function childOfNodeOnce() {
    const reporter = worker && !isJest() && !isMocha() ? childOfNode() : null;
    return () => reporter;
  }

  function isJest() {
    return process.argv.some((word) => /jest-worker\//.test(word));
  }

  function isMocha() {
    return process.argv.some((word) => word.includes("/mocha/"));
  }

  if (runner) {
    prepare();
  }
  if (runner === "node") {
    const [major, minor] = process.versions.node.split(".").map(Number);
    const none = process.execArgv.includes("--test-isolation=none") || process.execArgv.includes("--experimental-test-isolation=none");
    if (none || major < 18 || (major === 18 && minor < 15)) {
      emit({ kind: "output", why: none ? "its tests run in one process, as it asks" : `Node ${process.versions.node} knows no reporters` });
      atTheEnd(end);
    } else {
      parentOfNode();
    }
  }
  return { kinds: offered };
}

/** What our own options are is not seen by what the tests start. */
function strip(isWorker) {
  const words = process.execArgv;
  for (let at = words.length - 1; at >= 0 && isWorker; at--) {
    if (words[at].startsWith("--test-reporter") || words[at] === "/harness/keiko_node.cjs") {
      words.splice(at, 1);
      if (words[at - 1] === "--require") words.splice(--at, 1);
    }
  }
  const options = process.env.NODE_OPTIONS;
  if (options !== undefined && options.includes("/harness/")) {
    const rest = options.replace(/--require[= ]\/harness\/keiko_node\.cjs\s*/g, "").trim();
    if (rest) process.env.NODE_OPTIONS = rest;
    else delete process.env.NODE_OPTIONS;
  }
}
