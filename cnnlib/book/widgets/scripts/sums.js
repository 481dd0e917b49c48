// The index rule and the three sums, as in cnnlib.geometry, loops, pooling and checks. The front
// ends compute with these functions alone. Indices are lists, a flat index counts in C order, a
// row [i, u, p] of the table is flat. A tensor is { shape, data }, as in cnnlib: x (1, *P, C),
// w (K, *U, C), z (1, *I, K); the batch is a single sample.

export class InputError extends Error {}

const mirrored = (p, before, after) => Math.min(Math.max(p, before - p), after - Math.max(p, before - p));
// The input that a cell p beside 0..P-1 stands for; beside zeros there is none.
export const BORDERS = {
  zeros: (p, _P) => p, reflect: (p, P) => mirrored(p, 0, 2 * P - 2), symmetric: (p, P) => mirrored(p, -1, 2 * P - 1),
  replicate: (p, P) => Math.max(0, Math.min(p, P - 1)), circular: (p, P) => (p % P + P) % P,
};

export class Axis {
  inputs; outputs; kernel; stride; dilation; offset; center; sign; border; given;

  constructor(numbers) {
    Object.assign(this, numbers); // as they are named above
  }
  input(i, u) { // the index rule, here and nowhere else
    const { stride: s, offset: o, sign: g, dilation: d, center: u0 } = this;
    return s * i + o + g * d * (u - u0);
  }
  named(p) { // by a row: itself, or the input that it repeats
    return BORDERS[this.border](p, this.inputs);
  }
  // The padding that is drawn: what was given, or what a centre needs.
  get pads() {
    return this.given ?? [Math.max(0, this.before), this.after];
  }
  get before() {
    return -Math.min(this.input(0, 0), this.input(0, this.kernel - 1));
  }
  get after() {
    const i = this.outputs - 1;
    const last = Math.max(this.input(i, 0), this.input(i, this.kernel - 1));
    return Math.max(0, last - (this.inputs - 1));
  }
  rows() {
    const rows = indices([this.outputs, this.kernel]).map(([i, u]) => [i, u, this.named(this.input(i, u))]);
    return rows.filter(([, , p]) => 0 <= p && p < this.inputs);
  }
}

export class Window {
  constructor(kernel, options = {}) {
    const { stride = 1, dilation = 1, padding = null, center = null, flip = false, border = "zeros" } = options;
    const n = Array.isArray(kernel) ? kernel.length : 1;
    this.kernel = perAxis("kernel", kernel, n, 1);
    this.stride = perAxis("stride", stride, n, 1);
    this.dilation = perAxis("dilation", dilation, n, 1);
    if (typeof flip !== "boolean") {
      throw new InputError(`flip is ${repr(flip)}; expected True or False`);
    }
    this.flip = flip;
    if (typeof border !== "string" || !Object.hasOwn(BORDERS, border)) {
      throw new InputError(`border is ${repr(border)}; expected ${Object.keys(BORDERS).map(repr).join(", ").replace(/,(?=[^,]*$)/, " or")}`);
    }
    this.border = border;
    this.padding = center === null ? readPadding(padding, n) : null;
    this.center = null;
    if (center === null) return;
    if (padding !== null) {
      throw new InputError(`padding is ${repr(padding)} and center is ${repr(center)}; give one ` +
        "of them: a centre says how much padding there is (chapter 2)");
    }
    this.center = perAxis("center", center, n, 0);
    if (!inside(this.center, this.kernel)) {
      throw new InputError(`center is ${repr(center)}, outside the kernel of shape ` +
        `${tuple(this.kernel)}; it counts from 0, so the last weight of an axis is its size ` +
        "minus 1");
    }
  }
  axes(P) {
    if (P.length !== this.kernel.length) {
      throw new InputError(`the input has spatial shape ${tuple(P)}, the kernel ` +
        `${tuple(this.kernel)}; both need the same number of axes`);
    }
    return P.map((size, n) => this.axis(n, size));
  }
  axis(n, P) {
    const [U, s, d, g] = [this.kernel[n], this.stride[n], this.dilation[n], this.flip ? -1 : 1];
    const span = d * (U - 1) + 1; // cells from the first weight to the last
    const numbers = { inputs: P, kernel: U, stride: s, dilation: d, sign: g, border: this.border };
    if (P < 1) {
      throw new InputError(`spatial axis ${n} of the input has ${P} cells; expected at least 1`);
    }
    if (this.center !== null) {
      const u0 = this.center[n];
      const lo = this.flip ? -d * (U - 1 - u0) : -d * u0;
      const outputs = Math.min(P, Math.floor((P - 1 - lo) / s) + 1);
      return this.withinReach(n, new Axis({ ...numbers, outputs, offset: 0, center: u0 }));
    }
    const [before, after] = this.pads(n, P, span);
    if (P + before + after < span) {
      throw new InputError(`the kernel spans ${span} cells on spatial axis ${n} (size ${U}, ` +
        `dilation ${d}), the padded input has ${before} + ${P} + ${after}; use a smaller kernel, ` +
        "more padding, or a center");
    }
    const outputs = Math.floor((P + before + after - span) / s) + 1;
    const offset = -before + (this.flip ? span - 1 : 0);
    return this.withinReach(n, new Axis({ ...numbers, outputs, offset, center: 0, given: [before, after] }));
  }
  withinReach(n, axis) { // a border repeats each input once, at most
    const [P, reach] = [axis.inputs, Math.max(axis.before, axis.after)];
    const most = { reflect: P - 1, symmetric: P, circular: P }[this.border] ?? reach;
    if (reach <= most) return axis;
    throw new InputError(`border is ${repr(this.border)}, and the windows reach ${reach} cells beyond the ${P} of ` +
      `spatial axis ${n}; it repeats at most ${most}: use less padding, or border='replicate'`);
  }
  pads(n, P, span) {
    if (this.padding === "same") {
      const total = Math.max(0, (Math.ceil(P / this.stride[n]) - 1) * this.stride[n] + span - P);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    }
    if (Array.isArray(this.padding)) return this.padding[n];
    return this.padding === "full" ? [span - 1, span - 1] : [0, 0];
  }
  outputShape(P) {
    return this.axes(P).map((axis) => axis.outputs);
  }
  connections(P) {
    perAxis("input_shape", P, P.length, 1, tuple(P));
    let rows = [[0, 0, 0]];
    for (const axis of this.axes(P)) {
      const { outputs: I, kernel: U, inputs } = axis;
      const next = axis.rows();
      rows = rows.flatMap(([a, b, c]) =>
        next.map(([i, u, p]) => [a * I + i, b * U + u, c * inputs + p]));
    }
    return rows.sort((a, b) => a[0] - b[0]); // the weights of an output stay in their order
  }
}

export function perAxis(name, value, axes, least, said = repr(value)) {
  const numbers = Array.isArray(value) ? value : Array(axes).fill(value);
  const wrong = (reason) => new InputError(`${name} is ${said}${reason}`);
  if (!numbers.every(Number.isInteger)) {
    throw wrong(`; expected an integer, or a sequence of ${axes} integers`);
  }
  if (numbers.length !== axes) {
    throw wrong(`, with ${numbers.length} entries; expected one integer, or ${axes}: one for ` +
      "each axis");
  }
  if (numbers.some((number) => number < least)) throw wrong(`; expected at least ${least}`);
  return numbers;
}

export function readPadding(padding, axes) {
  const both = (value) => perAxis("padding", value, axes, 0).map((n) => [n, n]);
  const wrong = (reason) => new InputError(`padding is ${repr(padding)}${reason}`);
  if (padding === null) return "valid";
  if (["valid", "same", "full"].includes(padding)) return padding;
  if (typeof padding === "string") throw wrong("; expected 'valid', 'same' or 'full'");
  if (!Array.isArray(padding) && !Number.isInteger(padding)) {
    throw wrong("; expected a word, an integer, one integer per axis, or one pair (before, after) " +
      "per axis");
  }
  if (!Array.isArray(padding)) return both(padding);
  if (!padding.some(Array.isArray)) {
    if (axes > 1 || padding.length !== 2) return both(padding);
    throw wrong(", but there is one spatial axis; for cells before and after it write " +
      `((${padding.map(repr).join(", ")}),)`);
  }
  if (padding.length !== axes || padding.some((pair) => pair.length !== 2)) {
    throw wrong(`; expected ${axes} pairs (before, after), one per spatial axis`);
  }
  const [before, after] = [0, 1].map((side) => {
    const cells = padding.map((pair) => pair[side]);
    return perAxis("padding", cells, axes, 0, tuple(cells));
  });
  return before.map((first, n) => [first, after[n]]);
}

// ---- Indices and tensors

export const met = (axes, i, u) => axes.map((axis, n) => axis.input(i[n], u[n])); // perhaps outside
export const inside = (p, shape) => p.every((q, n) => 0 <= q && q < shape[n]);
export const cells = (shape) => shape.reduce((product, size) => product * size, 1);
export const flatten = (index, shape) => index.reduce((flat, q, n) => flat * shape[n] + q, 0);
export const range = (n) => [...Array(n).keys()];
export const indices = (shape) => range(cells(shape)).map((flat) => unflatten(flat, shape));

export function unflatten(flat, shape) {
  const index = [];
  for (const size of [...shape].reverse()) {
    index.unshift(flat % size);
    flat = Math.floor(flat / size);
  }
  return index;
}

// The shape of a list of finite numbers, or of lists of one shape; null for anything else.
export function shapeOf(values) {
  if (!Array.isArray(values) || !values.length) return null;
  if (values.every(Number.isFinite)) return [values.length];
  const shapes = values.map(shapeOf);
  const even = shapes.every((shape) => shape && String(shape) === String(shapes[0]));
  return even ? [values.length, ...shapes[0]] : null;
}

// The same numbers as a list, as rows, as rows of lists and so on.
export function nested(values, shape) {
  if (shape.length === 1) return [...values];
  const width = values.length / shape[0];
  return range(shape[0]).map((n) => nested(values.slice(n * width, (n + 1) * width), shape.slice(1)));
}

export const tensor = (values, shape) => // + 0: a zero has no sign
  ({ shape, data: Float64Array.from(values.flat(Infinity), (value) => value + 0) });
export const zeros = (shape) => ({ shape, data: new Float64Array(cells(shape)) });

// ---- The three sums

// Visits each product of a convolution once, with its flat places in z, in w and in x. In groups a
// filter has a slice for each of the C channels of its own group.
export function products(rows, K, C, U, visit, groups = 1) {
  for (const [i, u, p] of rows) {
    for (let k = 0; k < K; k++) {
      const first = (p * groups + groupOf(k, K, groups)) * C;
      for (let c = 0; c < C; c++) visit(i * K + k, (k * U + u) * C + c, first + c);
    }
  }
}
export const groupOf = (m, count, groups) => Math.floor(m * groups / count);

// The table of all products: a row for each, with its flat places in z, in w and in x.
export function expanded(rows, K, C, U, groups) {
  if (K * C * groups === 1) return rows;
  const all = [];
  products(rows, K, C, U, (...places) => all.push(places), groups);
  return all;
}

export const weights = ({ shape }) => [shape[0], shape.at(-1), cells(shape.slice(1, -1))]; // K, C, U
const groupsOf = (channels, w) => channels.at(-1) / w.shape.at(-1);

export function conv(x, w, b, rows, I) {
  const z = zeros([1, ...I, w.shape[0]]);
  products(rows, ...weights(w), (i, u, p) => { z.data[i] += w.data[u] * x.data[p]; }, groupsOf(x.shape, w));
  if (b) z.data.forEach((_, i) => { z.data[i] += b[i % b.length]; });
  return z;
}

export function convDelta(dz, w, inputShape, rows) {
  const dx = zeros(inputShape);
  products(rows, ...weights(w), (i, u, p) => { dx.data[p] += w.data[u] * dz.data[i]; }, groupsOf(inputShape, w));
  return dx;
}

export function convWeightGradient(x, dz, kernel, rows, groups = 1) {
  const dw = zeros([dz.shape.at(-1), ...kernel, x.shape.at(-1) / groups]);
  products(rows, ...weights(dw), (i, u, p) => { dw.data[u] += x.data[p] * dz.data[i]; }, groups);
  return dw;
}

// ---- Pooling: the same table without weights, over flat arrays of numbers

export function layPool(P, window, { stride = null, ...options } = {}) {
  const U = perAxis("window", window, P.length, 1);
  const laid = new Window(U, { stride: stride ?? U, ...options });
  laid.axes(P).forEach((axis, n) => {
    const meets = (one) => range(axis.kernel).some((u) => {
      const p = axis.input(one, u);
      return p >= 0 && p < axis.inputs;
    });
    let i = 0; // no list of all of them: anybody may have asked for so many
    while (i < axis.outputs && meets(i)) i += 1;
    if (i === axis.outputs) return;
    throw new InputError(`window ${i} on spatial axis ${n} meets no input: its cells are ` +
      `${axis.input(i, 0)} to ${axis.input(i, axis.kernel - 1)} of ${axis.inputs}; use less ` +
      "padding");
  });
  return laid;
}

// The table of an array with C channels, where a pool treats each channel alike.
export const channelwise = (rows, C) =>
  rows.flatMap(([i, u, p]) => range(C).map((c) => [i * C + c, u, p * C + c]));

export function maxPool(x, rows, outputs) {
  const a = new Float64Array(outputs).fill(-Infinity); // padding never wins
  const winners = new Int32Array(outputs).fill(x.length);
  for (const [i, , p] of rows) {
    if (x[p] < a[i] || (x[p] === a[i] && p > winners[i])) continue; // of equals the first wins
    a[i] = x[p];
    winners[i] = p;
  }
  return { a, winners };
}

export function maxPoolDelta(da, winners, inputs) {
  const dx = new Float64Array(inputs);
  winners.forEach((p, i) => { dx[p] += da[i]; });
  return dx;
}

// What each mean divides by: the cells that its window meets, or `size` if padding counts.
export function poolCounts(rows, outputs, size = null) {
  const counts = Array(outputs).fill(size ?? 0);
  if (size === null) rows.forEach(([i]) => { counts[i] += 1; });
  return counts;
}

export function avgPool(x, rows, counts) {
  const a = new Float64Array(counts.length);
  rows.forEach(([i, , p]) => { a[i] += x[p]; });
  return a.map((sum, i) => sum / counts[i]);
}

export function avgPoolDelta(da, rows, counts, inputs) {
  const dx = new Float64Array(inputs);
  rows.forEach(([i, , p]) => { dx[p] += da[i] / counts[i]; });
  return dx;
}

// ---- The written sum

export function explain(quantity, cell, { x, w, b = null, dz }, window) {
  const [P, U] = [x.shape.slice(1, -1), w.shape.slice(1, -1)];
  const shapes = [window.outputShape(P), U, P];
  const [first, last, place] = [cell[0], cell.at(-1), cell.slice(1, -1)];
  const side = { z: 0, dw: 1, dx: 2 }[quantity];
  const here = flatten(place, shapes[side]);
  const rows = window.connections(P).filter((row) => row[side] === here);
  const [K, C, D, G] = [w.shape[0], x.shape.at(-1), w.shape.at(-1), groupsOf(x.shape, w)];
  const channel = (k, c) => groupOf(k, K, G) * D + c; // that slice c of filter k meets
  const named = (name, { data, shape }, ...index) =>
    [`${name}[${index}]`, data[flatten(index, shape)]];
  const factors = {
    z: (_, u, p) => range(D).map((c) => [named("w", w, last, ...u, c), named("x", x, 0, ...p, channel(last, c))]),
    dx: (i, u) => range(K).filter((k) => groupOf(k, K, G) === groupOf(last, C, G))
      .map((k) => [named("w", w, k, ...u, last % D), named("dz", dz, 0, ...i, k)]),
    dw: (i, _, p) => [[named("x", x, 0, ...p, channel(first, last)), named("dz", dz, 0, ...i, first)]],
  }[quantity];
  const terms = rows.flatMap((row) => factors(...row.map((flat, n) => unflatten(flat, shapes[n]))));
  if (quantity === "z" && b) terms.push([[`b[${last}]`, b[last]]]);
  const counted = (noun) => { // an input that a border repeats may be met twice
    const count = new Set(rows.map((row) => (side === 1 ? row : row[2 - side]))).size;
    return `${count} ${noun}${count === 1 ? "" : "s"}`;
  };
  const at = tuple(place);
  const words = {
    z: `Output ${at} of sample 0, filter ${last}, meets ${counted("input cell")}.`,
    dx: `Input ${at} of sample 0, channel ${last}, went into ${counted("output")}.`,
    dw: `Weight ${at} of filter ${first}, channel ${last}, joined ${counted("pair")} in each ` +
      "sample.",
  }[quantity];
  const value = terms.reduce((sum, [[, m], [, n] = ["", 1]]) => sum + m * n, 0);
  return { name: `${quantity}[${cell}]`, words, terms, value };
}

// The same text as str(cnnlib.checks.explain(...)).
export function written({ name, words, terms, value }) {
  const sum = (part) => terms.map((term) => term.map(part).join("*")).join(" + ") || "0";
  const [names, numbers] = [sum(([label]) => label), sum(([, one]) => factor(one))];
  return `${words}\n${name} = ${names}\n  = ${numbers}\n  = ${shown(value)}`;
}

export const factor = (value) => (value < 0 ? `(${shown(value)})` : shown(value));

// Python's f"{value:.6g}", for finite numbers.
export function shown(value) {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  /** @type {any[]} */
  let [digits, e] = Math.abs(value).toExponential(5).split("e");
  // Halfway between two neighbours Python takes the even one, JavaScript the larger one.
  const halfway = /^.{7}50*e/.test(Math.abs(value).toExponential(60));
  if (halfway && digits.at(-1) % 2) digits = digits.slice(0, -1) + (digits.at(-1) - 1);
  const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (-4 <= e && e < 6) return sign + trimmed(Number(`${digits}e${e}`).toFixed(5 - e));
  return `${sign}${trimmed(digits)}e${e[0]}${e.slice(1).padStart(2, "0")}`;
}

// Python's repr of a JSON value, and of a tuple.
export function repr(value) {
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (typeof value === "string") return `'${value}'`;
  return { null: "None", true: "True", false: "False" }[value] ?? String(value);
}

export const tuple = (index) => (index.length === 1 ? `(${index[0]},)` : `(${index.join(", ")})`);
