import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Router, query } from "../src/router.js";

describe("router", () => {
  const router = new Router().on("GET", "/users/:id", () => "one").on("POST", "/users", () => "new").on("GET", "/a.b", () => "dot");

  it("finds a route and its values", () => {
    const found = router.find("GET", "/users/J%C3%B6rg");
    assert.equal(found.status, 200);
    assert.deepEqual(found.values, { id: "Jörg" });
    assert.equal(found.handler(), "one");
  });
  it("takes dots literally", () => {
    assert.equal(router.find("GET", "/axb").status, 404);
    assert.equal(router.find("GET", "/a.b/").status, 200);
  });
  it("says which methods there are", () => {
    assert.deepEqual(router.find("DELETE", "/users"), { status: 405, allow: ["POST"] });
  });
  it("wants handlers", () => {
    assert.throws(() => router.on("GET", "/", null), TypeError);
  });
});

describe("query", () => {
  it("reads pairs", () => {
    assert.deepEqual(query("a=1&b=x+y%21&c="), { a: "1", b: "x y!", c: "" });
  });
});
