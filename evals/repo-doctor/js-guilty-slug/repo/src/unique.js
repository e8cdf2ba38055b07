// Gives each name a number when it was taken before.
export class Names {
  #taken = new Map();

  take(name) {
    const count = (this.#taken.get(name) ?? 0) + 1;
    this.#taken.set(name, count);
    return count === 1 ? name : `${name}-${count}`;
  }

  release(name) {
    return this.#taken.delete(name);
  }
}
