// What each grid of a convolution shows, lens by lens.

import { LENSES, partial } from "./convolution_state.js";
import { laidWords } from "./laid.js";
import { short } from "./numbers.js";
import { INPUT, OUTPUT, WEIGHT, counted, partners, plain, spatial } from "./sides.js";
import { cells, flatten, indices, inside, met, range, shown, unflatten } from "./sums.js";

/**
 * What is looked at: the cell `at` of the lens's own grid (-1 for none), as far as `terms` of its products, with
 * the own grid filled up to it if it `travels`; `lit` are the partners' flat places on each side.
 * @typedef {{ at: number, terms: number, travels: boolean, lit: Set<number>[], looked: any, come?: number, theirs?: any }} View
 */

/**
 * The grids by name, see Board. The first ones stand aside, the two `main` ones are read together:
 * inputs, then outputs.
 * @param {any} seen
 * @param {View} view
 * @returns {any} as `Stage.draw` takes it; `step` is how many columns neighbours are apart where it is not the stride
 */
export function pictures(seen, view) {
  const draw = new Drawing(seen, view);
  if (seen.other) return draw.beside();
  if (seen.lens === "forward") return seen.deep ? draw.forwardSlices() : draw.forward();
  if (seen.lens === "weight") return seen.deep ? draw.weightSlices() : draw.weight();
  if (seen.deep) return draw.deltaSlices();
  return seen.turned ? draw.rotated() : draw.delta();
}

class Drawing {
  seen; view; I; U; P; k; c;

  constructor(seen, view) {
    const { shapes: [I, U, P], arrays, rowsAt, side } = seen;
    Object.assign(this, { seen, view, I, U, P });
    const index = unflatten(Math.max(0, view.at), arrays[side]);
    this.place = spatial(side, index, seen.axes.length);
    /** The filter and the channel that are looked at, 0 where the lens sums over all. */
    [this.k, this.c] = !seen.deep ? [0, 0] : side === WEIGHT ? [index[0], seen.group.k(index[0]) * seen.D + index.at(-1)]
      : side === OUTPUT ? [index.at(-1), 0] : [0, index.at(-1)];
    this.rows = rowsAt[view.at] ?? []; // of -1 there is no such cell
    const done = this.rows.slice(0, view.terms);
    this.now = view.travels ? done.at(-1) : undefined; // the product that comes in
    /** The cell on which the centre lies: that of output i is input s*i. */
    this.under = !seen.dot || view.at < 0 || seen.lens === "weight" ? "" : String(this.place.map((m, n) =>
      (seen.lens === "forward" ? m * seen.axes[n].stride : seen.turned ? m : m / seen.axes[n].stride)));
  }

  kernel(k = this.k, c = this.c, label = "kernel w") {
    return this.plain(label, "w", WEIGHT, "weight", this.seen.w,
      (index) => (String(index) === String(this.seen.dot) ? ["centre"] : []), undefined, [k, c]);
  }

  // The flat place of a cell of a slice of one side: filter k, channel c of the input.
  at(side, index, k, c) {
    const { shapes, K, C, D } = this.seen;
    const flat = flatten(index, shapes[side]);
    if (side === WEIGHT) return (k * cells(shapes[WEIGHT]) + flat) * D + (c % D);
    return side === OUTPUT ? flat * K + k : flat * C + c;
  }

  // A number for each cell of a slice of a side. The own grid is filled as far as the travel has come.
  plain(label, letter, side, kind, values, more = (_index, _flat) => /** @type {string[]} */ ([]),
    tag = (_index) => undefined, [k, c] = [this.k, this.c]) {
    const { seen, view } = this;
    if (side === WEIGHT && !seen.meets(k, c)) return this.absent(k, c);
    const own = side === seen.side && letter === LENSES[seen.lens].quantity;
    return plain({
      label, letter, sized: !seen.deep, shape: seen.shapes[side], kind, values: own ? this.filled(values) : values,
      at: (index) => this.at(side, index, k, c),
      named: (flat, index) => (seen.deep ? unflatten(flat, seen.arrays[side]) : index),
      marks: (index, flat) => {
        const marks = [...more(index, flat)];
        if (own && flat === (view.travels ? view.at : seen.here)) marks.push("chosen");
        else if (own && flat === view.at) marks.push("looked");
        else if (view.lit[side].has(flat)) marks.push("partner");
        if (this.now && letter !== "product" && this.now[side] === flat && !own) marks.push("now");
        if (!own || !view.theirs?.wrong.has(flat)) return { marks, tag: tag(index) };
        return { marks: [...marks, "wrong"], tag: tag(index), note: `, yours ${shown(view.theirs.values[flat])}` };
      },
    });
  }

  // In groups a filter has no slice for the channels of another one.
  absent(k, c) {
    const cell = { text: "", kind: "cut", name: `no weight for channel ${c}` };
    return { label: `filter ${k}: no slice`, first: this.U.map(() => 0), end: this.U, content: () => cell };
  }

  filled(values) {
    const { seen, view } = this;
    if (!view.travels) return values;
    const part = view.at < 0 ? undefined : partial(seen, view.at, view.terms);
    const come = new Set(seen.order.slice(0, view.come ?? seen.order.indexOf(view.at)));
    return [...values].map((value, flat) => (flat === view.at ? part : come.has(flat) ? value : undefined));
  }

  // What lies on a grid: from pairs of a cell and a number to the tag of each cell.
  lying(pairs) {
    const known = new Map();
    for (const [cell, value] of pairs) { // a border lets an output meet an input twice
      const before = known.get(String(cell));
      known.set(String(cell), before ? `${before}${value < 0 ? "" : "+"}${shown(value)}` : `×${shown(value)}`);
    }
    return (index) => known.get(String(index));
  }

  over(index) {
    return [this.seen.lens === "weight" ? "times-delta" : "covered", ...(String(index) === this.under ? ["centre"] : [])];
  }

  isRead(index) {
    return index.every((p, n) => this.seen.read[n].has(p));
  }

  unread(index) {
    return this.isRead(index) ? [] : ["unread"];
  }

  // The inputs with their padding.
  input(pairs, c = 0, label = "input x") {
    const { axes, x } = this.seen;
    const tag = this.lying(pairs);
    const on = (index) => (tag(index) === undefined ? [] : this.over(index));
    const own = this.plain(label, "x", INPUT, "input", x,
      (index) => [...on(index), ...this.unread(index)], tag, [0, c]);
    return this.grounded({
      label: own.label,
      first: axes.map((axis) => -axis.pads[0]),
      end: axes.map((axis) => axis.inputs + Math.max(axis.pads[1], axis.after)),
      content: (index) => {
        if (inside(index, this.P)) return own.content(index);
        const from = index.map((p, n) => axes[n].named(p));
        if (!inside(from, this.P)) return this.zero("padding", "padding", index, tag, this.unread(index));
        const { name, marks, ...cell } = own.content(from); // what is done to a copy is done to its input
        const kept = marks.filter((mark) => mark === "now" && tag(index));
        return {
          ...cell, kind: "copy", from: String(from), name: `copy of ${name}`, tag: tag(index),
          marks: [...kept, ...on(index), ...this.unread(index)],
        };
      },
    }, x);
  }

  output(k = 0, label = "output z") {
    const grid = this.plain(label, "z", OUTPUT, "output", this.seen.z, undefined, undefined, [k, 0]);
    return this.seen.coverage ? grid : this.grounded(grid, this.seen.z);
  }

  // With the coverage, dw goes on to the lags that a correlation of x with dz has and no weight.
  dw(k = 0, c = 0, label = "dw, what each weight owes") {
    const { seen, I, P, U } = this;
    const grid = this.plain(label, "dw", WEIGHT, "delta", seen.dw, undefined, undefined, [k, c]);
    if (!seen.coverage || !seen.meets(k, c)) return grid;
    const ends = seen.axes.map(lagsOf);
    return {
      ...grid, first: ends.map(([first]) => first), end: ends.map(([, end]) => end),
      content: (index) => {
        if (inside(index, U)) return grid.content(index);
        const value = indices(I).reduce((sum, i) => {
          const p = named(seen.axes, i, index);
          return inside(p, P) ? sum + seen.x[this.at(INPUT, p, k, c)] * seen.dz[this.at(OUTPUT, i, k, c)] : sum;
        }, 0);
        return { text: short(value), kind: "cut", name: `dropped lag [${index}]`, exact: shown(value), marks: ["dropped"] };
      },
    };
  }

  zero(kind, name, index, tag, more = /** @type {string[]} */ ([])) {
    const lies = tag(index);
    const marks = lies === undefined ? [] : [...this.over(index), ...(kind === "padding" ? ["hangs-over"] : [])];
    return { text: "0", kind, name: `${name} [${index}]`, tag: lies, marks: [...marks, ...more] };
  }

  forward() {
    const { seen, view, U, P } = this;
    const places = view.at < 0 ? [] : indices(U).map((u) => met(seen.axes, this.place, u));
    const inputs = view.at < 0 ? [] : indices(U).map((u) => named(seen.axes, this.place, u));
    const order = new Map(this.rows.map((row, n) => [row[WEIGHT], n]));
    const products = inputs.map((p, u) => {
      if (!inside(p, P)) return 0;
      if (view.travels && order.get(u) >= view.terms) return undefined;
      return seen.w[u] * seen.x[flatten(p, P)] + 0; // + 0: no -0
    });
    const grid = this.plain("products w·x", "product", WEIGHT, "plain", products,
      (_, flat) => (this.now?.[WEIGHT] === flat ? ["now"] : []));
    return {
      aside: {
        kernel: this.kernel(),
        products: {
          ...grid,
          content: (index) => (inside(inputs[flatten(index, U)], P) ? grid.content(index)
            : { ...grid.content(index), kind: "padding" }),
        },
      },
      main: {
        input: this.input(places.map((p, u) => [p, seen.w[u]])),
        output: this.output(),
      },
    };
  }

  // Two settings with the same numbers: what is at the same place and differs is marked.
  beside() {
    const { seen, view, I, place } = this;
    const { other } = seen;
    const shape = other.shapes[OUTPUT];
    const at = inside(place, shape) ? flatten(place, shape) : -1;
    const before = (index) => { // in the order of the outputs
      const n = index.findIndex((m, axis) => m !== place[axis]);
      return n >= 0 && index[n] < place[n];
    };
    const lit = partners(other.rowsAt[at] ?? []);
    const second = new Drawing(other, { ...view, at, lit, come: indices(shape).filter(before).length });
    const grids = (drawing, key, mine, theirs) => {
      const { input, output } = drawing.forward().main;
      const words = laidWords({ ...drawing.seen, heading: true }, Object.keys(seen.beside));
      return {
        [`input/${key}`]: { ...input, label: `x, ${words}` },
        [`output/${key}`]: {
          ...output, label: `z, ${words}`,
          content(index) {
            const cell = output.content(index);
            const same = inside(index, theirs.shapes[OUTPUT]) &&
              mine.z[flatten(index, mine.shapes[OUTPUT])] === theirs.z[flatten(index, theirs.shapes[OUTPUT])];
            const marks = same || cell.kind === "waiting" ? cell.marks : [...cell.marks, "differs"];
            return { ...cell, marks, flat: inside(index, I) ? flatten(index, I) : undefined };
          },
        },
      };
    };
    return {
      aside: { kernel: this.kernel() }, abreast: seen.axes.length === 2,
      columns: [grids(this, "a", seen, other), grids(second, "b", other, seen)],
    };
  }

  weight() {
    const { seen, I } = this;
    const lies = indices(I).map((i, flat) => [met(seen.axes, i, this.place), seen.dz[flat]]);
    return {
      aside: {
        kernel: this.kernel(),
        dw: this.dw(),
      },
      main: {
        input: this.input(lies),
        deltas: this.deltas(),
      },
    };
  }

  // Of a transposed convolution the same grids are its outputs and its inputs.
  dx(c = 0, label = "dx, what each input owes") {
    const { renamed, dx } = this.seen;
    const grid = this.plain(renamed ? label.replace(/^dx(, what each input owes)?/, "output z").replace("channel", "filter") : label, "dx", INPUT,
      renamed ? "output" : "delta", dx, (index) => this.unread(index), undefined, [0, c]);
    return this.renamed(this.grounded(grid, dx));
  }

  deltas(k = 0, label = "deltas dz", tag = (_index) => undefined) {
    const { renamed, dz } = this.seen;
    return this.renamed(this.plain(renamed ? label.replace(/^(deltas )?dz/, "input x").replace("filter", "channel") : label, "dz", OUTPUT,
      renamed ? "input" : "delta", dz, (index) => (tag(index) === undefined ? [] : this.over(index)), tag, [k, 0]));
  }

  renamed(grid) {
    if (!this.seen.renamed) return grid;
    const content = (index) => {
      const cell = grid.content(index);
      return { ...cell, name: renamedText(cell.name) };
    };
    return { ...grid, content };
  }

  // A ground for each cell: how many outputs read it, or its number as a shade.
  grounded(grid, values) {
    const { coverage, shades, reads } = this.seen;
    if (!coverage && !(shades && this.seen.lens === "forward")) return grid;
    const [low, high] = [Math.min(0, ...values), Math.max(...values)];
    const most = Math.max(...reads);
    const content = (index) => {
      const cell = grid.content(index);
      if (!coverage) return { ...cell, ground: "shaded", shade: ((values[cell.flat] ?? 0) - low) / (high - low || 1) };
      const times = inside(index, this.P) ? reads[flatten(index, this.P)] : 0;
      if (!times) return cell;
      return { ...cell, ground: "tinted", shade: times / most, name: `${cell.name}, read ${counted(times, "time")}` };
    };
    return { ...grid, content };
  }

  delta() {
    const { seen, I } = this;
    const tag = this.lying(this.rows.map(([i, u]) => [unflatten(i, I), seen.w[u]]));
    return {
      aside: { kernel: this.kernel() },
      main: this.inOrder({ dx: this.dx(), deltas: this.deltas(0, "deltas dz", tag) }),
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
    const deltas = this.deltas();
    const kernel = this.kernel();
    const turn = (index) => (flip ? index : index.map((u, n) => U[n] - 1 - u));
    const label = flip ? "w, not rotated: the flip undoes it" : "w, rotated";
    return {
      step: 1,
      aside: {
        kernel: this.kernel(),
        turned: {
          ...kernel, label,
          content: (index) => {
            const cell = kernel.content(turn(index));
            return { ...cell, marks: cell.marks.filter((mark) => mark !== "centre") };
          },
        },
      },
      main: this.inOrder({
        dx: this.dx(),
        deltas: {
          label: `${seen.renamed ? "input x" : "deltas dz"} with zeros between`, first: low.map((n) => Math.min(0, n)),
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
            const marks = lies === undefined ? cell.marks : [...cell.marks, ...this.over(place)];
            return { ...cell, kind: cut ? "cut" : cell.kind, tag: lies, marks };
          },
        },
      }),
    };
  }

  // What is read stands first; of one row the inputs of the layer stand above.
  inOrder({ dx, deltas }) {
    return this.seen.renamed && this.P.length === 2 ? { deltas, dx } : { dx, deltas };
  }

  // ---- With channels: one column for each slice that the sum goes over, and its results

  // A slice of the filter on the slice of the input with the same number.
  forwardSlices() {
    const { seen, U, k } = this;
    const places = indices(U).map((u) => met(seen.axes, this.place, u));
    return {
      signs: [seen.D > 1 ? "+" : "", "="],
      columns: range(seen.C).map((c) => ({
        [`input/${c}`]: this.input(!seen.meets(k, c) ? [] : places.map((p, u) => [p, seen.w[this.at(WEIGHT, unflatten(u, U), k, c)]]), c,
          `x, channel ${c}`),
        [`kernel/${c}`]: this.kernel(k, c, `filter ${k}, slice ${c % seen.D}`),
      })),
      results: Object.fromEntries(range(seen.K).map((filter) => [`output/${filter}`,
        this.output(filter, `z, filter ${filter}`)])),
    };
  }

  // The other direction: the slice of each filter that belongs to the channel, on the deltas of that filter.
  deltaSlices() {
    const { seen, I, c } = this;
    return {
      signs: ["+", "="],
      columns: range(seen.K).map((k) => {
        const rows = this.rows.filter(([i]) => i % seen.K === k);
        const tag = this.lying(rows.map(([i, u]) => [unflatten(Math.floor(i / seen.K), I), seen.w[u]]));
        return {
          [`deltas/${k}`]: this.deltas(k, `dz, filter ${k}`, tag),
          [`kernel/${k}`]: this.kernel(k, c, `filter ${k}, slice ${c % seen.D}`),
        };
      }),
      results: Object.fromEntries(range(seen.C).map((channel) => [`dx/${channel}`, this.dx(channel, `dx, channel ${channel}`)])),
    };
  }

  // One slice of the input and the deltas of one filter give one slice of dw.
  weightSlices() {
    const { seen, I, k, c } = this;
    const lies = indices(I).map((i) => [met(seen.axes, i, this.place), seen.dz[this.at(OUTPUT, i, k, 0)]]);
    return {
      columns: range(seen.C).map((channel) => ({
        [`input/${channel}`]: this.input(channel === c ? lies : [], channel, `x, channel ${channel}`),
        [`dw/${channel}`]: this.dw(k, channel, `dw, filter ${k}, slice ${channel % seen.D}`),
      })),
      results: Object.fromEntries(range(seen.K).map((filter) => [`deltas/${filter}`, this.deltas(filter, `dz, filter ${filter}`)])),
    };
  }
}

// The input that an output meets through a weight: it may lie elsewhere than where it is drawn.
const named = (axes, i, u) => met(axes, i, u).map((p, n) => axes[n].named(p));

/** Of a transposed convolution the deltas are the inputs x, and dx is the output z. */
export const renamedText = (text) => text.replace(/\bdx\[/g, "z[").replace(/\bdz\[/g, "x[");

// The lags along an axis for which all deltas lie on the input or its padding.
export function lagsOf(axis) {
  const lies = (u) => [0, axis.outputs - 1].every((i) => {
    const p = axis.input(i, u);
    return -axis.pads[0] <= p && p < axis.inputs + Math.max(axis.pads[1], axis.after);
  });
  let [first, end] = [0, axis.kernel];
  while (lies(first - 1)) first -= 1;
  while (lies(end)) end += 1;
  return [first, end];
}

// The cells of the inputs, with their padding, that no output reads.
export function unreadCells({ axes, read, shapes: [, , P] }) {
  const count = (first, ends) => {
    const along = axes.map((axis, n) => [...read[n]].filter((p) => first[n] <= p && p < ends[n]).length);
    return cells(ends.map((end, n) => end - first[n])) - cells(along);
  };
  return count(P.map(() => 0), P);
}
