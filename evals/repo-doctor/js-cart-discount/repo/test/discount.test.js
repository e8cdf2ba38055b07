import assert from "node:assert/strict";
import { test } from "node:test";
import { percentFor, reduced } from "../src/discount.js";

test("a few cost the full price", () => {
  assert.equal(percentFor(3), 0);
});

test("a discount has bounds", () => {
  assert.throws(() => reduced(100, 101), RangeError);
  assert.equal(reduced(999, 10), 899);
});
