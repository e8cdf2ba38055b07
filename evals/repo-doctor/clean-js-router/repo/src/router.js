import { compile, match } from "./pattern.js";

export class Router {
  #routes = [];

  on(method, pattern, handler) {
    if (typeof handler !== "function") {
      throw new TypeError("a route needs a handler");
    }
    this.#routes.push({ method, handler, ...compile(pattern) });
    return this;
  }

  find(method, path) {
    const known = new Set();
    for (const route of this.#routes) {
      const values = match(route, path);
      if (values === null) continue;
      if (route.method === method) {
        return { status: 200, handler: route.handler, values };
      }
      known.add(route.method);
    }
    return known.size > 0 ? { status: 405, allow: [...known].sort() } : { status: 404 };
  }
}

export function query(text) {
  const values = {};
  let hit;
  const parts = /([^&=]+)=([^&]*)/g;
  while ((hit = parts.exec(text)) !== null) {
    values[decodeURIComponent(hit[1])] = decodeURIComponent(hit[2].replaceAll("+", " "));
  }
  return values;
}
