"use strict";
// Assertions of each kind: those that must fail, and some that must hold. Nothing of this is a test of anybody's.
// What they are called on is looked up when they are run, in the same way as tests do.

module.exports = function checks(word, given) {
  const found = [];
  const mustFail = (name, check) => found.push([name, check, true]);
  const mustHold = (name, check) => found.push([name, check, false]);
  const one = word.length;
  const two = one + 1;
  const other = word + "!";
  const raise = () => {
    throw new RangeError(word);
  };
  for (const name of ["assert", "assert/strict"]) {
    ofAssert(require(name), name, { mustFail, mustHold, word, other, one, two, raise });
  }
  for (const expect of given.expects) {
    if (typeof expect === "function") {
      ofExpect(expect, { mustFail, mustHold, word, other, one, two, raise });
    }
  }
  if (given.should) {
    mustFail("should", () => given.should(one).equal(two));
  }
  ofLanguage({ mustFail, word, other, one, two });
  return found;
};

function ofAssert(assert, from, { mustFail, mustHold, word, other, one, two, raise }) {
  const wrong = [
    ["ok", one === two],
    ["equal", one, two],
    ["equal", word, other],
    ["notEqual", word, word],
    ["strictEqual", one, two],
    ["strictEqual", word, other],
    ["notStrictEqual", word, word],
    ["deepEqual", [one], [two]],
    ["deepEqual", { [word]: one }, { [word]: two }],
    ["notDeepEqual", [one], [one]],
    ["deepStrictEqual", [one], [two]],
    ["deepStrictEqual", { [word]: one }, { [other]: one }],
    ["notDeepStrictEqual", [one], [one]],
    ["throws", () => one],
    ["doesNotThrow", raise],
    ["match", word, /^!/],
    ["doesNotMatch", word, /./],
    ["fail", word],
    ["ifError", new Error(word)],
  ];
  mustFail(from, () => assert(one === two));
  for (const [name, ...values] of wrong) {
    if (typeof assert[name] === "function") {
      mustFail(`${from}.${name}`, () => assert[name](...values));
    }
  }
  mustHold(`${from}.strictEqual`, () => assert.strictEqual(one, word.length));
  mustHold(`${from}.deepStrictEqual`, () => assert.deepStrictEqual({ [word]: [one] }, { [word]: [one] }));
  mustHold(`${from}.throws`, () => assert.throws(raise, RangeError));
}

// The `expect` of jest and vitest, and that of chai.
function ofExpect(expect, { mustFail, mustHold, word, other, one, two, raise }) {
  const probe = expect(one);
  if (probe && typeof probe.toBe === "function") {
    const wrong = [
      ["toBe", one, two],
      ["toBe", word, other],
      ["toEqual", [one], [two]],
      ["toEqual", { [word]: one }, { [word]: two }],
      ["toStrictEqual", { [word]: one }, { [word]: two }],
      ["toBeTruthy", one === two],
      ["toBeFalsy", one === one],
      ["toBeNull", word],
      ["toBeUndefined", word],
      ["toBeDefined", undefined],
      ["toBeGreaterThan", one, two],
      ["toBeLessThan", two, one],
      ["toBeCloseTo", one, two],
      ["toContain", [one], two],
      ["toHaveLength", word, two],
      ["toMatch", word, /^!/],
      ["toMatchObject", { [word]: one }, { [word]: two }],
      ["toHaveProperty", {}, word],
      ["toBeInstanceOf", [], RangeError],
      ["toThrow", () => one],
    ];
    for (const [name, value, ...values] of wrong) {
      if (typeof probe[name] === "function") {
        mustFail(`expect.${name}`, () => expect(value)[name](...values));
      }
    }
    mustFail("expect.not.toBe", () => expect(word).not.toBe(word));
    mustFail("expect.not.toThrow", () => expect(raise).not.toThrow());
    mustHold("expect.toBe", () => expect(one).toBe(word.length));
    mustHold("expect.toEqual", () => expect({ [word]: [one] }).toEqual({ [word]: [one] }));
    mustHold("expect.toThrow", () => expect(raise).toThrow());
  }
  const chain = probe && probe.to;
  if (chain && typeof chain.equal === "function") {
    mustFail("expect.to.equal", () => expect(one).to.equal(two));
    mustFail("expect.to.equal", () => expect(word).to.equal(other));
    mustFail("expect.to.eql", () => expect([one]).to.eql([two]));
    mustFail("expect.not.to.equal", () => expect(word).to.not.equal(word));
    mustFail("expect.to.be.a", () => expect(word).to.be.a("number"));
    mustHold("expect.to.equal", () => expect(one).to.equal(word.length));
    mustHold("expect.to.eql", () => expect([one]).to.eql([one]));
  }
}

// What assertions, and tests, rest on.
function ofLanguage({ mustFail, word, other, one, two }) {
  const yes = (value) => {
    if (!value) {
      throw new Error(word);
    }
  };
  mustFail("Object.is", () => yes(Object.is(one, two)));
  mustFail("Array's includes", () => yes([one].includes(two)));
  mustFail("Array's every", () => yes([one].every((value) => value === two)));
  mustFail("String's includes", () => yes(word.includes(other)));
  mustFail("a regular expression's test", () => yes(/^!/.test(word)));
  mustFail("JSON.stringify", () => yes(JSON.stringify([one]) === JSON.stringify([two])));
}
