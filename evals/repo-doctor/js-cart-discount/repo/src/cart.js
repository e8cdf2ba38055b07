import { percentFor, reduced } from "./discount.js";

export class Cart {
  #lines = new Map();

  add(article, cents, quantity = 1) {
    if (!Number.isInteger(quantity) || quantity < 1) {
      throw new RangeError(`no such quantity: ${quantity}`);
    }
    const line = this.#lines.get(article) ?? { cents, quantity: 0 };
    line.quantity += quantity;
    this.#lines.set(article, line);
    return this;
  }

  remove(article) {
    return this.#lines.delete(article);
  }

  get size() {
    let pieces = 0;
    for (const line of this.#lines.values()) {
      pieces += line.quantity;
    }
    return pieces;
  }

  total() {
    let cents = 0;
    for (const line of this.#lines.values()) {
      cents += reduced(line.cents * line.quantity, percentFor(line.quantity));
    }
    return cents;
  }
}

export function formatCents(cents) {
  const sign = cents < 0 ? "-" : "";
  const whole = Math.trunc(Math.abs(cents) / 100);
  const rest = String(Math.abs(cents) % 100).padStart(2, "0");
  return `${sign}${whole}.${rest}`;
}
