"use strict";

function waitFor(emitter, name, milliseconds) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      off();
      reject(new Error(`no "${name}" within ${milliseconds} ms`));
    }, milliseconds);
    const off = emitter.once(name, (value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

function debounce(call, milliseconds, clock = { setTimeout, clearTimeout }) {
  let timer;
  return (...values) => {
    if (timer !== undefined) clock.clearTimeout(timer);
    timer = clock.setTimeout(() => call(...values), milliseconds);
  };
}

module.exports = { waitFor, debounce };
