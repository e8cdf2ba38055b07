"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { Emitter } = require("../lib/emitter.js");
const { waitFor, debounce } = require("../lib/wait.js");

test("listeners hear what is told", () => {
  const heard = [];
  const emitter = new Emitter();
  const off = emitter.on("a", (value) => heard.push(value));
  assert.equal(emitter.emit("a", 1), 1);
  assert.equal(off(), true);
  assert.equal(off(), false);
  assert.equal(emitter.emit("a", 2), 0);
  assert.deepEqual(heard, [1]);
});

test("once is once", () => {
  let count = 0;
  const emitter = new Emitter();
  emitter.once("a", () => (count += 1));
  emitter.emit("a");
  emitter.emit("a");
  assert.equal(count, 1);
});

test("waiting ends with the event", async () => {
  const emitter = new Emitter();
  const waiting = waitFor(emitter, "done", 60_000);
  emitter.emit("done", "yes");
  assert.equal(await waiting, "yes");
});

test("waiting ends at its limit", async () => {
  await assert.rejects(waitFor(new Emitter(), "never", 1), /no "never" within 1 ms/);
});

test("debounced calls run once", () => {
  const timers = [];
  const clock = { setTimeout: (call) => timers.push(call) - 1, clearTimeout: (n) => (timers[n] = () => {}) };
  const seen = [];
  const call = debounce((value) => seen.push(value), 10, clock);
  call("a");
  call("b");
  timers.forEach((timer) => timer());
  assert.deepEqual(seen, ["b"]);
});
