const LETTERS = { ä: "ae", ö: "oe", ü: "ue", ß: "ss", é: "e", è: "e", ñ: "n" };

export function plain(text) {
  let out = "";
  for (const letter of text.toLowerCase()) {
    out += LETTERS[letter] ?? letter;
  }
  return out;
}

export function slug(text, width = 40) {
  const words = plain(text).replace(/[^a-z0-9]+/g, "-");
  const cut = words.slice(0, width);
  const start = cut.startsWith("-") ? 1 : 0;
  const end = cut.length < width ? cut.length : cut.lastIndexOf("-");
  return cut.slice(start, end);
}
