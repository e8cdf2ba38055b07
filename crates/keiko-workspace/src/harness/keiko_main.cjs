"use strict";
require("./keiko_node.cjs").take("launch")();
