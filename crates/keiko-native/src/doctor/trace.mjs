// Runs the tests of the given files one by one under V8's own coverage and prints, after a mark, which lines of the
// project each ran. At most 60 tests, failing ones first.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = process.cwd() + path.sep;
const files = process.argv.slice(1).filter((word) => word !== "--");
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "keiko-"));
const reporter = path.join(scratch, "reporter.mjs");
fs.writeFileSync(
  reporter,
  `export default async function* (source) {
     for await (const { type, data } of source)
       if ((type === "test:pass" || type === "test:fail") && data.details?.type !== "suite" && !data.skip && !data.todo)
         yield JSON.stringify({
           name: data.name, failed: type === "test:fail", error: String(data.details?.error?.failureType ?? ""),
           stack: String(data.details?.error?.cause?.stack ?? "").slice(0, 4000),
         }) + "\\n";
   }`,
);

function run(file, words, env) {
  const all = ["--test-reporter", reporter, "--test-reporter-destination", "stdout", ...words, file];
  const done = spawnSync(process.execPath, all, { env: { ...process.env, ...env }, encoding: "utf8", timeout: 30000 });
  const lines = (done.stdout ?? "").split("\n").filter((line) => line.startsWith("{"));
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
}

const isTest = (name) => /(^|\/)(tests?|__tests__)\//.test(name) || /\.(test|spec)\.[cm]?js$/.test(name);

// The lines of one script that a function ran; module bodies belong to no test. What stands on one line with a function
// that ran, as in `export const add = (a, b) => a + b`, counts as run.
function covered(script) {
  const name = fileURLToPath(script.url);
  const inside = name.slice(root.length).replaceAll(path.sep, "/");
  const text = fs.readFileSync(name, "utf8");
  const [IDLE, RAN, MODULE] = [0, 1, 2];
  const hit = new Uint8Array(text.length).fill(MODULE);
  for (const fn of script.functions) {
    const whole = fn.ranges[0];
    if (fn.functionName === "" && whole.startOffset === 0 && whole.endOffset >= text.length) continue;
    for (const range of fn.ranges) hit.fill(range.count > 0 ? RAN : IDLE, range.startOffset, range.endOffset);
  }
  const lines = [];
  let offset = 0;
  text.split("\n").forEach((line, index) => {
    const first = line.search(/\S/);
    const at = hit[offset + first];
    const ran = at === RAN || (at === MODULE && hit.subarray(offset, offset + line.length).includes(RAN));
    if (first >= 0 && /[\w"'`]/.test(line) && ran) lines.push(index + 1);
    offset += line.length + 1;
  });
  return [inside, lines];
}

// Where the project itself raised: the innermost two of its frames.
function raised(stack) {
  const frames = [...stack.matchAll(/(?:file:\/\/)?(\/[^\s():]+):(\d+):\d+/g)].map(([, name, line]) => [name, Number(line)]);
  const own = frames.filter(([name]) => name.startsWith(root) && !isTest(name.slice(root.length)) && !name.includes("/node_modules/"));
  return own.slice(0, 2).map(([name, line]) => [name.slice(root.length), line]);
}

function trace(file, test, number) {
  const folder = path.join(scratch, `cover-${number}`);
  const pattern = "^" + test.name.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&") + "$";
  const seen = run(file, ["--test-name-pattern", pattern], { NODE_V8_COVERAGE: folder });
  const lines = {};
  for (const entry of fs.existsSync(folder) ? fs.readdirSync(folder) : []) {
    const { result } = JSON.parse(fs.readFileSync(path.join(folder, entry), "utf8"));
    for (const script of result) {
      if (!script.url.startsWith("file://") || script.url.includes("/node_modules/")) continue;
      const name = fileURLToPath(script.url);
      if (!name.startsWith(root) || isTest(name.slice(root.length))) continue;
      const [inside, ran] = covered(script);
      if (ran.length > 0) lines[inside] = [...new Set([...(lines[inside] ?? []), ...ran])];
    }
  }
  fs.rmSync(folder, { recursive: true, force: true });
  const own = seen.find((one) => one.name === test.name) ?? test;
  return { name: test.name, failed: own.failed, lines, raised: raised(own.stack) };
}

const known = files.flatMap((file) => run(file, [], {}).map((test) => ({ file, ...test })));
const leaves = known.filter((test) => test.error !== "subtestsFailed");
leaves.sort((a, b) => Number(b.failed) - Number(a.failed));
const tests = leaves.slice(0, 60).map((test, number) => trace(test.file, test, number));
fs.rmSync(scratch, { recursive: true, force: true });
process.stdout.write("\n@@@keiko-trace@@@" + JSON.stringify({ tests }) + "\n");
