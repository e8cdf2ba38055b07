"use strict";
module.exports = require("./keiko_node.cjs").take("mocha");
