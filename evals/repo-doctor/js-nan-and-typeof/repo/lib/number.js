"use strict";

function toNumber(text, fallback = null) {
  const value = Number(String(text).trim().replace(",", "."));
  if (value === NaN) {
    return fallback;
  }
  return value;
}

function mean(values) {
  if (values.length === 0) {
    return null;
  }
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

module.exports = { toNumber, mean };
