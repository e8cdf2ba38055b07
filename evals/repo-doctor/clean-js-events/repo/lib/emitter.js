"use strict";

class Emitter {
  constructor() {
    this.listeners = new Map();
  }

  on(name, listener) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name).add(listener);
    return () => this.off(name, listener);
  }

  once(name, listener) {
    const off = this.on(name, (...values) => {
      off();
      listener(...values);
    });
    return off;
  }

  off(name, listener) {
    const all = this.listeners.get(name);
    if (all == null) return false;
    const gone = all.delete(listener);
    if (all.size === 0) this.listeners.delete(name);
    return gone;
  }

  emit(name, ...values) {
    const all = [...(this.listeners.get(name) ?? [])];
    for (const listener of all) listener(...values);
    return all.length;
  }
}

module.exports = { Emitter };
