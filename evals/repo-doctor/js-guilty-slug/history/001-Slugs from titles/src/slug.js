const LETTERS = { ä: "ae", ö: "oe", ü: "ue", ß: "ss", é: "e", è: "e", ñ: "n" };

export function plain(text) {
  let out = "";
  for (const letter of text.toLowerCase()) {
    out += LETTERS[letter] ?? letter;
  }
  return out;
}

export function slug(text) {
  return plain(text)
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}
