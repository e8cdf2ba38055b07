"use strict";

const assert = require("node:assert/strict");
const { describe, it } = require("node:test");
const { rows, column } = require("../lib/csv.js");
const { toNumber, mean } = require("../lib/number.js");

describe("csv", () => {
  it("cuts lines and cells", () => {
    assert.deepEqual(rows("a;b\r\n\n1;2\n"), [["a", "b"], ["1", "2"]]);
  });
  it("reads a column of numbers", () => {
    assert.deepEqual(column(rows("1,5;x\n2;y"), 0), [1.5, 2]);
  });
  it("knows where columns begin", () => {
    assert.throws(() => column([], -1), RangeError);
  });
});

describe("numbers", () => {
  it("reads decimal commas", () => {
    assert.equal(toNumber(" 2,25 "), 2.25);
  });
  it("has no mean of nothing", () => {
    assert.equal(mean([]), null);
    assert.equal(mean([1, 2]), 1.5);
  });
});
