// The state of an explorer: what a reader changes, undoes and resets, and what cannot be.

import { InputError, shapeOf } from "./sums.js";

export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/**
 * `look(state)` gives what is seen of a state, or throws an InputError. `told(reason)` hears of a
 * refusal, and "" after a change. `changed()` comes after each change.
 */
export class Desk {
  model; names; look; told; changed; walk;

  // Steps of `walk` alone are undone together.
  constructor({ model, names, look, told, changed, walk = "position" }) {
    let [known, seen] = ["", null];
    const once = (state) => { // the last state is asked for again and again
      const key = JSON.stringify(names.map((name) => state[name]));
      if (key !== known) [seen, known] = [look(state), key];
      return seen;
    };
    Object.assign(this, { model, names, look: once, told, changed, walk });
    /** @type {any[]} */ this.past = [];
    /** @type {Map<string, any>} */ this.deltas = new Map(); // the reader's own, by their shape
    this.first = { ...this.present(), ...model.get("first") };
  }

  /** @returns {any} */
  present() {
    return Object.fromEntries(this.names.map((name) => [name, this.model.get(name)]));
  }

  change(changes) {
    const before = this.present();
    try {
      const next = this.remembering(this.look({ ...before, ...changes }));
      const walks = (state) => ({ ...state, [this.walk]: null });
      const top = this.past.at(-1);
      const walking = top && same(walks(top), walks(before)) && this.walk in changes && Object.keys(changes).length === 1;
      if (!walking && this.differs(before, next)) this.past.push(before);
      this.put(next);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.refuse(error.message);
    }
  }

  // Deltas belong to a number of outputs: they come back with it.
  remembering(next) {
    const shape = String(next.arrays?.[0]);
    for (const deltas of [this.model.get("deltas"), next.deltas]) {
      if (deltas) this.deltas.set(String(shapeOf(deltas)), deltas);
    }
    const known = this.deltas.get(shape);
    return known && !next.deltas ? this.look({ ...next, deltas: known }) : next;
  }

  // Python took them away.
  forget(shape) {
    this.deltas.delete(String(shape));
  }

  differs(a, b) {
    return this.names.some((name) => !same(a[name], b[name]));
  }

  put(next) {
    this.names.forEach((name) => {
      if (!same(this.model.get(name), next[name])) this.model.set(name, next[name]);
    });
    this.model.save_changes();
    this.told("");
    this.changed();
  }

  refuse(reason) {
    this.changed(); // the controls go back
    this.told(reason);
  }

  undo() {
    const before = this.past.pop();
    if (before) this.put(before);
  }

  // What the text shows, and nothing of what was done since.
  reset() {
    this.deltas.clear();
    if (this.differs(this.present(), this.first)) this.past.push(this.present());
    this.put(this.first);
  }
}
