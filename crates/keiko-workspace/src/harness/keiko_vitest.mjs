// Keiko's reporter for vitest, in the process that runs no tests.
import { createRequire } from "node:module";

const keiko = createRequire("/harness/x.cjs")("/harness/keiko_node.cjs").take("vitest");
const SETUP = "/harness/keiko_vitest_setup.mjs";

export default class Keiko {
  onInit(vitest) {
    const projects = new Set([vitest, ...(vitest.projects || []), ...(vitest._projects || [])]);
    for (const project of projects) {
      const config = project && project.config;
      if (config && !(config.browser && config.browser.enabled)) {
        const own = Array.isArray(config.setupFiles) ? config.setupFiles : [];
        config.setupFiles = [SETUP, ...own.filter((one) => one !== SETUP)];
      }
    }
  }
  onTestModuleStart(module) {
    keiko.began(keiko.relative(module.moduleId) || "a file");
  }
  onTestCaseReady(test) {
    keiko.began(nameOf(test.task || test));
  }
  onFinished(files, errors) {
    finish(files || [], errors || []);
  }
  onTestRunEnd(modules, errors) {
    finish((modules || []).map((module) => module.task), errors || []);
  }
}

let done = false;

function nameOf(task) {
  const parts = [];
  for (let one = task; one && one.type !== "module" && one.filepath === undefined; one = one.suite || one.parent) parts.unshift(one.name);
  return parts.join(" > ");
}

function finish(files, errors) {
  if (done) return;
  done = true;
  for (const file of files) ofFile(file);
  for (const error of errors) {
    keiko.tell("case", { name: "an error outside of the tests", status: "error", error });
  }
  keiko.complete();
}

function ofFile(file) {
  const path = keiko.relative(file.filepath || file.name);
  const types = file.pool === "typescript" || (file.meta && file.meta.typecheck) || (file.projectName || "").includes("typecheck");
  const found = [];
  collect(file, [], path, found);
  const ran = found.some((one) => one.status !== "skipped");
  const song = file.meta && file.meta.keiko;
  const own = file.result && file.result.errors;
  if (found.length === 0 || (own && own.length > 0)) {
    if (file.result && file.result.state === "fail" && own) keiko.tell("broken", { name: path, file: path, status: "error", error: own[0] });
    else if (found.length === 0) return;
  }
  if (ran && !types) {
    if (!song) {
      if (!own || own.length === 0) keiko.spoil(`${path} left without coming to the end of its tests`);
    } else if (song !== "held") {
      keiko.spoil(String(song).slice(0, 300));
    }
  }
  for (const one of found) keiko.tell("case", one);
}

function collect(suite, above, file, found) {
  for (const task of suite.tasks || []) {
    const names = [...above, task.name];
    if (task.type === "suite") {
      collect(task, names, file, found);
      continue;
    }
    const result = task.result || {};
    const failed = result.state === "fail";
    const status = result.state === "pass" ? "passed" : failed ? "failed" : task.mode === "run" && !result.state ? "error" : "skipped";
    const error = failed ? (result.errors || [])[0] || new Error("failed") : undefined;
    const message = status === "error" ? "it did not run" : undefined;
    found.push({ name: names.join(" > "), file, status, error, message, line: task.location && task.location.line, ms: result.duration });
  }
}
