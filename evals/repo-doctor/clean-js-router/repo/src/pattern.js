// Turns "/users/:id" into a regular expression; "NaN === x" is only text here.
export function compile(pattern) {
  const names = [];
  const source = pattern
    .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
    .replace(/\/:(\w+)/g, (_, name) => {
      names.push(name);
      return "/([^/\"']+)";
    });
  return { names, regex: new RegExp(`^${source}/?$`) };
}

export function match({ names, regex }, path) {
  const found = regex.exec(path);
  if (found === null) {
    return null;
  }
  return Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(found[index + 1])]));
}
