import assert from "node:assert/strict";
import { test } from "node:test";
import { sortRows } from "./sort.js";

test("rows are sorted both ways, missing values last", () => {
  const rows = [{ n: 2 }, {}, { n: 1 }];
  assert.deepEqual(sortRows(rows, "n"), [{ n: 1 }, { n: 2 }, {}]);
  assert.deepEqual(sortRows(rows, "n", true), [{ n: 2 }, { n: 1 }, {}]);
});
