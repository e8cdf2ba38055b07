import assert from "node:assert/strict";
import { test } from "node:test";
import { Cart, formatCents } from "../src/cart.js";

test("an empty cart costs nothing", () => {
  assert.equal(new Cart().total(), 0);
});

test("lines of one article add up", () => {
  const cart = new Cart().add("nail", 5, 3).add("nail", 5, 4);
  assert.equal(cart.size, 7);
  assert.equal(cart.total(), 35);
});

test("ten of a kind are cheaper", () => {
  assert.equal(new Cart().add("bolt", 100, 10).total(), 950);
});

test("many of a kind are much cheaper", () => {
  assert.equal(new Cart().add("bolt", 100, 60).total(), 5400);
});

test("an article can be removed", () => {
  const cart = new Cart().add("bolt", 100);
  assert.equal(cart.remove("bolt"), true);
  assert.equal(cart.remove("bolt"), false);
  assert.equal(cart.size, 0);
});

test("amounts for people", () => {
  assert.equal(formatCents(123456), "1234.56");
  assert.equal(formatCents(-7), "-0.07");
});
