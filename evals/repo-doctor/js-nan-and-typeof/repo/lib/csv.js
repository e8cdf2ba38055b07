"use strict";

const { toNumber } = require("./number.js");

function rows(text, separator = ";") {
  return text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "")
    .map((line) => line.split(separator));
}

function column(table, index, convert) {
  if (index < 0) {
    throw new RangeError("columns are counted from 0");
  }
  if (typeof convert === "func") {
    return table.map((row) => convert(row[index]));
  }
  return table.map((row) => toNumber(row[index]));
}

module.exports = { rows, column };
