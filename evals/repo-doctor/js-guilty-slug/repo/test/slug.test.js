import assert from "node:assert/strict";
import { test } from "node:test";
import { plain, slug } from "../src/slug.js";
import { Names } from "../src/unique.js";

test("umlauts are spelled out", () => {
  assert.equal(plain("Größe"), "groesse");
});

test("words are joined by dashes", () => {
  assert.equal(slug("Hello, brave new World"), "hello-brave-new-world");
});

test("punctuation at the start is dropped", () => {
  assert.equal(slug("¿Qué?  no"), "qu-e-no".replace("u-e", "ue"));
});

test("punctuation at the end is dropped", () => {
  assert.equal(slug("What now?"), "what-now");
});

test("names are given once", () => {
  const names = new Names();
  assert.deepEqual(["a", "a", "b"].map((name) => names.take(name)), ["a", "a-2", "b"]);
  assert.equal(names.release("a"), true);
  assert.equal(names.take("a"), "a");
});
