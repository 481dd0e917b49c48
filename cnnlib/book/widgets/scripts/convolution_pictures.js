// What each grid of a convolution shows, lens by lens.

import { INPUT, OUTPUT, WEIGHT, plain } from "./sides.js";
import { LENSES } from "./convolution_state.js";
import { cells, flatten, indices, inside, met, shown, unflatten } from "./sums.js";

/**
 * What is looked at: the cell `at` of the lens's own grid, as far as `terms` of its products, with
 * the own grid filled up to it if it `travels`; `lit` are the partners' flat places on each side.
 * @typedef {{ at: number, terms: number, travels: boolean, lit: Set<number>[], looked: any }} View
 */

/**
 * The grids by name, see Board. The first ones stand aside, the two `main` ones are read together:
 * inputs, then outputs.
 * @param {any} seen
 * @param {View} view
 * @returns {{ aside: Record<string, any>, main: Record<string, any>, step?: number }}
 */
export function pictures(seen, view) {
  const draw = new Drawing(seen, view);
  if (seen.lens === "forward") return draw.forward();
  if (seen.lens === "weight") return draw.weight();
  return seen.rotated ? draw.rotated() : draw.delta();
}

class Drawing {
  seen; view; I; U; P;

  constructor(seen, view) {
    const { shapes: [I, U, P], groups } = seen;
    Object.assign(this, { seen, view, I, U, P });
    this.place = unflatten(view.at, seen.shapes[seen.side]);
    this.rows = groups[view.at];
    const done = this.rows.slice(0, view.terms);
    this.now = view.travels ? done.at(-1) : undefined; // the product that comes in
    this.kernel = this.plain("kernel w", "w", WEIGHT, "weight", seen.w,
      (index) => (String(index) === String(seen.dot) ? ["centre"] : []));
  }

  // A number for each cell of a side. The own grid is filled as far as the travel has come.
  plain(label, letter, side, kind, values, more = (_index, _flat) => /** @type {string[]} */ ([]), tag = (_index) => undefined) {
    const { seen, view } = this;
    const own = side === seen.side && letter === LENSES[seen.lens].quantity;
    return plain({
      label, letter, shape: seen.shapes[side], kind, values: own ? this.filled(values) : values,
      marks: (index, flat) => {
        const marks = [...more(index, flat)];
        if (own && flat === (view.travels ? view.at : seen.here)) marks.push("chosen");
        else if (own && flat === view.at) marks.push("looked");
        else if (view.lit[side].has(flat)) marks.push("partner");
        if (this.now && letter !== "product" && this.now[side] === flat && !own) marks.push("now");
        return { marks, tag: tag(index) };
      },
    });
  }

  filled(values) {
    const { seen, view } = this;
    if (!view.travels) return values;
    const { terms } = seen.explained(view.at);
    const part = terms.slice(0, view.terms).reduce((sum, [[, m], [, n] = ["", 1]]) => sum + m * n, 0);
    return [...values].map((value, flat) =>
      (flat < view.at ? value : flat > view.at ? undefined : part));
  }

  // What lies on a grid: from pairs of a cell and a number to the tag of each cell.
  lying(pairs) {
    const known = new Map(pairs.map(([cell, value]) => [String(cell), `×${shown(value)}`]));
    return (index) => known.get(String(index));
  }

  get over() { return this.seen.lens === "weight" ? "times-delta" : "covered"; }

  isRead(index) {
    return index.every((p, n) => this.seen.read[n].has(p));
  }

  unread(index) {
    return this.isRead(index) ? [] : ["unread"];
  }

  // The inputs with their padding.
  input(pairs) {
    const { axes, x } = this.seen;
    const tag = this.lying(pairs);
    const on = (index) => (tag(index) === undefined ? [] : [this.over]);
    const own = this.plain("input x", "x", INPUT, "input", x,
      (index) => [...on(index), ...this.unread(index)], tag);
    return {
      label: own.label,
      first: axes.map((axis) => -axis.pads[0]),
      end: axes.map((axis) => axis.inputs + Math.max(axis.pads[1], axis.after)),
      content: (index) => (inside(index, this.P) ? own.content(index)
        : this.zero("padding", "padding", index, tag, this.unread(index))),
    };
  }

  zero(kind, name, index, tag, more = /** @type {string[]} */ ([])) {
    const lies = tag(index);
    const marks = lies === undefined ? [] : [this.over, ...(kind === "padding" ? ["hangs-over"] : [])];
    return { text: "0", kind, name: `${name} [${index}]`, tag: lies, marks: [...marks, ...more] };
  }

  forward() {
    const { seen, view, U, P } = this;
    const places = indices(U).map((u) => met(seen.axes, this.place, u));
    const order = new Map(this.rows.map((row, n) => [row[WEIGHT], n]));
    const products = places.map((p, u) => {
      if (!inside(p, P)) return 0;
      if (view.travels && order.get(u) >= view.terms) return undefined;
      return seen.w[u] * seen.x[flatten(p, P)] + 0; // + 0: no -0
    });
    const grid = this.plain("products w·x", "product", WEIGHT, "plain", products,
      (_, flat) => (this.now?.[WEIGHT] === flat ? ["now"] : []));
    return {
      aside: {
        kernel: this.kernel,
        products: {
          ...grid,
          content: (index) => (inside(places[flatten(index, U)], P) ? grid.content(index)
            : { ...grid.content(index), kind: "padding" }),
        },
      },
      main: {
        input: this.input(places.map((p, u) => [p, seen.w[u]])),
        output: this.plain("output z", "z", OUTPUT, "output", seen.z),
      },
    };
  }

  weight() {
    const { seen, I } = this;
    const lies = indices(I).map((i, flat) => [met(seen.axes, i, this.place), seen.dz[flat]]);
    return {
      aside: {
        kernel: this.kernel,
        dw: this.plain("dw, what each weight owes", "dw", WEIGHT, "delta", seen.dw),
      },
      main: {
        input: this.input(lies),
        deltas: this.plain("deltas dz", "dz", OUTPUT, "delta", seen.dz),
      },
    };
  }

  get dx() {
    return this.plain("dx, what each input owes", "dx", INPUT, "delta", this.seen.dx,
      (index) => this.unread(index));
  }

  delta() {
    const { seen, I } = this;
    const tag = this.lying(this.rows.map(([i, u]) => [unflatten(i, I), seen.w[u]]));
    return {
      aside: { kernel: this.kernel },
      main: {
        dx: this.dx,
        deltas: this.plain("deltas dz", "dz", OUTPUT, "delta", seen.dz,
          (index) => (tag(index) === undefined ? [] : [this.over]), tag),
      },
    };
  }

  // Output i stands at s*i among the zeros, and meets p through u where p = s*i + input(0, u):
  // a kernel that slides over places p - input(0, u).
  rotated() {
    const { seen, I, U, P } = this;
    const { axes, flip } = seen;
    const starts = indices(U).map((u) => met(axes, I.map(() => 0), u));
    const tag = this.lying(starts.map((start, u) => [this.place.map((p, n) => p - start[n]), seen.w[u]]));
    const size = axes.map((axis) => axis.stride * (axis.outputs - 1) + 1);
    const low = axes.map((_, n) => -Math.max(...starts.map((start) => start[n])));
    const high = axes.map((_, n) => P[n] - 1 - Math.min(...starts.map((start) => start[n])));
    const deltas = this.plain("", "dz", OUTPUT, "delta", seen.dz);
    const turn = (index) => (flip ? index : index.map((u, n) => U[n] - 1 - u));
    const label = flip ? "w, not rotated: the flip undoes it" : "w, rotated";
    return {
      step: axes.at(-1).stride,
      aside: {
        kernel: this.kernel,
        turned: {
          ...this.kernel, label,
          content: (index) => {
            const cell = this.kernel.content(turn(index));
            return { ...cell, marks: cell.marks.filter((mark) => mark !== "centre") };
          },
        },
      },
      main: {
        dx: this.dx,
        deltas: {
          label: "deltas dz with zeros between", first: low.map((n) => Math.min(0, n)),
          end: high.map((n, axis) => Math.max(size[axis], n + 1)),
          content: (place) => {
            if (!inside(place, size)) return this.zero("padding", "padding", place, tag);
            const cut = place.some((n, axis) => n < low[axis] || n > high[axis]);
            const i = place.map((n, axis) => n / axes[axis].stride);
            if (!i.every(Number.isInteger)) {
              return this.zero(cut ? "cut" : "zero", "zero between", place, tag);
            }
            const cell = deltas.content(i);
            const lies = tag(place);
            const marks = lies === undefined ? cell.marks : [...cell.marks, this.over];
            return { ...cell, kind: cut ? "cut" : cell.kind, tag: lies, marks };
          },
        },
      },
    };
  }
}

// How many cells of a grid lie beside what is there.
export const hanging = (places, shape) => places.filter((p) => !inside(p, shape)).length;

// The cells of the inputs, with their padding, that no output reads.
export function unreadCells({ axes, read, shapes: [, , P] }) {
  const count = (first, ends) => {
    const along = axes.map((axis, n) => [...read[n]].filter((p) => first[n] <= p && p < ends[n]).length);
    return cells(ends.map((end, n) => end - first[n])) - cells(along);
  };
  return count(P.map(() => 0), P);
}
