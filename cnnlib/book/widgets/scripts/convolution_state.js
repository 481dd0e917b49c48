// What the state of a convolution says: everything that is drawn is read from here.

import { INPUT, OUTPUT, WEIGHT, centreOf, checkSize, readPlaces, rowsBySide } from "./sides.js";
import {
  InputError, Window, cells, conv, convDelta, convWeightGradient, expanded, explain, flatten, groupOf, range,
  repr, shapeOf, tensor, tuple, unflatten,
} from "./sums.js";

export const LENSES = {
  forward: { side: OUTPUT, quantity: "z" }, delta: { side: INPUT, quantity: "dx" },
  weight: { side: WEIGHT, quantity: "dw" },
};
export const TRAITS = [
  "lens", "position", "stride", "dilation", "padding", "center", "flip", "input", "kernel", "bias",
  "deltas", "rotated", "beside", "transposed", "coverage", "shades", "border", "groups",
];
const LAYING = ["stride", "dilation", "padding", "center", "flip", "border"];
const LARGEST = 10; // cells of an input or a kernel along an axis
const [CHANNELS, FILTERS] = [3, 4]; // at most

function arrayShape(name, values, axes) {
  const wrong = (reason) => new InputError(`${name} ${reason}`);
  const given = Array.isArray(values) ? values.flat(Infinity) : [];
  if (given.length && given.every((one) => typeof one === "number") && !given.every(Number.isFinite)) {
    throw wrong("holds a number that is not finite; replace it");
  }
  const shape = shapeOf(values);
  if (!shape || shape.length > axes) throw wrong("is no list of numbers or of equally long rows");
  return shape;
}

/**
 * How the numbers are to be read: without channels, or with them as in cnnlib, x (*P, C), w (K, *U, C/groups).
 * @returns {{ P: number[], U: number[], K: number, C: number, deep: boolean }}
 */
function layout({ input, kernel, groups }) {
  const [X, W] = [arrayShape("input", input, 3), arrayShape("kernel", kernel, 4)];
  const deep = X.length > 1 && W.length === X.length + 1;
  if (Math.max(X.length, W.length) > 2 && !deep) {
    throw new InputError(`input has shape ${tuple(X)}, kernel ${tuple(W)}; with channels they are (*P, C) and (K, *U, C/groups)`);
  }
  const [P, U] = deep ? [X.slice(0, -1), W.slice(1, -1)] : [X, W];
  const [K, C] = deep ? [W[0], X.at(-1)] : [1, 1];
  if (!Number.isInteger(groups) || groups < 1 || C % groups || K % groups || (deep && W.at(-1) * groups !== C)) {
    throw new InputError(`groups is ${repr(groups)}; ${C} channels and ${K} filters of ${deep ? W.at(-1) : 1} are not so many groups`);
  }
  if (C > CHANNELS || K > FILTERS) {
    throw new InputError(`there are ${C} channels and ${K} filters; the explorer draws at most ` +
      `${CHANNELS} and ${FILTERS}`);
  }
  for (const [name, shape] of Object.entries({ input: P, kernel: U })) {
    if (Math.max(...shape) <= LARGEST) continue;
    throw new InputError(`${name} has ${shape.join(" by ")} cells; expected at most ${LARGEST} along an axis`);
  }
  return { P, U, K, C, deep };
}

function checkWords({ lens, bias, position, ...state }) {
  if (typeof lens !== "string" || !Object.hasOwn(LENSES, lens)) {
    throw new InputError(`lens is ${repr(lens)}; expected 'forward', 'delta' or 'weight'`);
  }
  if (![bias].flat().every(Number.isFinite)) throw new InputError("bias is no finite number; replace it");
  for (const name of ["rotated", "transposed", "coverage", "shades"]) {
    if (typeof state[name] === "boolean") continue;
    throw new InputError(`${name} is ${repr(state[name])}; expected true or false`);
  }
  if (![position].flat().every(Number.isInteger)) {
    throw new InputError(`position is ${repr(position)}; expected the index of a cell`);
  }
}

/** What the second setting changes: a padding takes the place of a centre, and the other way round. */
function besideOf({ beside, ...state }) {
  if (typeof beside !== "object" || Array.isArray(beside) || Object.keys(beside).some((name) => !LAYING.includes(name))) {
    throw new InputError(`beside is ${JSON.stringify(beside)}; expected some of ${LAYING.join(", ")}`);
  }
  const apart = "padding" in beside ? { center: null } : "center" in beside ? { padding: null } : {};
  const { position, bias, input, kernel, deltas, rotated, transposed, coverage, shades, groups } = state;
  return {
    ...Object.fromEntries(LAYING.map((name) => [name, state[name]])), ...apart, ...beside,
    position, bias, input, kernel, deltas, rotated, transposed, coverage, shades, groups, lens: "forward", beside: null,
  };
}

/**
 * Throws an InputError where the state cannot be. The chosen cell and the deltas follow the grids.
 * @param {any} state
 * @returns {any}
 */
export function look(state) {
  checkWords(state);
  const { side, quantity } = LENSES[state.lens];
  const { P, U, K, C, deep } = layout(state);
  const { groups: G, border } = state;
  const D = C / G; // slices of a filter
  const window = new Window(U, state);
  const axes = window.axes(P);
  checkSize(axes);
  const I = axes.map((axis) => axis.outputs);
  const shapes = [I, U, P];
  const arrays = deep ? [[...I, K], [K, ...U, D], [...P, C]] : shapes;
  const place = [state.position].flat();
  const position = arrays[side].map((size, n) => Math.max(0, Math.min(place[n] ?? 0, size - 1)));
  if (state.deltas !== null) arrayShape("deltas", state.deltas, 3);
  const deltas = String(shapeOf(state.deltas ?? [])) === String(arrays[OUTPUT]) ? state.deltas : null;
  const biases = [state.bias].flat();
  if (Array.isArray(state.bias) && (!deep || biases.length !== K)) {
    throw new InputError(`bias is ${repr(state.bias)}; expected one number${deep ? `, or ${K}` : ""}`);
  }
  const spare = range(cells(arrays[OUTPUT])).map((m) => ((5 * m + 3) % 7) - 2);
  const x = tensor(state.input, [1, ...P, C]);
  const w = tensor(state.kernel, [K, ...U, D]);
  const dz = tensor(deltas ?? spare, [1, ...I, K]);
  const b = biases.some(Boolean) ? range(K).map((k) => biases[k % biases.length]) : null;
  const table = window.connections(P);
  window.connections = () => table; // once for all cells
  const sums = {
    z: conv(x, w, b, table, I).data, dx: convDelta(dz, w, x.shape, table).data,
    dw: convWeightGradient(x, dz, U, table, G).data,
  };
  if (!Object.values(sums).every((data) => data.every(Number.isFinite))) {
    throw new InputError("the sums are larger than a number can be; use smaller numbers");
  }
  const rows = expanded(table, K, D, cells(U), G);
  const rowsAt = rowsBySide(rows, side, cells(arrays[side]));
  // One slice after the other: an output's sum by channels, an input's by filters.
  const order = range(rowsAt.length);
  // The travel goes through one slice of the lens's own grids after the other.
  const part = side === OUTPUT ? (m) => m % K : side === INPUT ? (m) => m % C
    : (m) => Math.floor(m / (cells(U) * D)) * D + (m % D);
  order.sort((m, n) => part(m) - part(n));
  const slice = { forward: ([, , p]) => p % C, delta: ([i]) => i % K, weight: () => 0 }[state.lens];
  if (K * C > 1) rowsAt.forEach((group) => group.sort((a, c) => slice(a) - slice(c)));
  const other = (state.beside ?? null) === null ? null : look(besideOf(state));
  return {
    ...state, position, deltas, other: state.lens === "forward" && !deep ? other : null, side, axes, table, rows, rowsAt, shapes, arrays, deep, K, C, D, G, slice, order, b, ...sums,
    meets: (k, c) => groupOf(k, K, G) === groupOf(c, C, G), // filter k has a slice for channel c
    group: { k: (k) => groupOf(k, K, G), c: (c) => groupOf(c, C, G) }, // of a filter, of a channel
    turned: state.rotated && !deep && border === "zeros", // a kernel that slides adds nothing up at copies
    here: flatten(position, arrays[side]),
    dot: window.center ?? centreOf(axes),
    /** How often each place of the input is read. */
    reads: rowsBySide(table, INPUT, cells(P)).map((group) => group.length),
    renamed: state.transposed && state.lens === "delta", // the deltas are inputs by another name
    /** Of a transposed convolution: how much longer it is than its last kernel reaches, with what the padding cuts. */
    extra: axes.map(({ inputs, pads: [before, after], outputs, stride, dilation, kernel }) =>
      inputs + before + after - stride * (outputs - 1) - dilation * (kernel - 1) - 1),
    read: axes.map(readPlaces),
    x: x.data, w: w.data, dz: dz.data,
    moments: rowsAt.map((group) => Math.max(1, group.length + Number(Boolean(b) && side === OUTPUT))),
    explained(flat) {
      const index = unflatten(flat, arrays[side]);
      const cell = side === WEIGHT ? (deep ? index : [0, ...index, 0]) : deep ? [0, ...index] : [0, ...index, 0];
      return explain(quantity, cell, { x, w, b, dz }, window);
    },
  };
}

/** The two factors of a product of the lens: a weight or an input, and what it meets. */
export function factors({ lens, x, w, dz }, [i, u, p]) {
  return lens === "forward" ? [w[u], x[p]] : lens === "delta" ? [w[u], dz[i]] : [x[p], dz[i]];
}

/** The sum of the first `terms` of a cell's products, and of the bias after them. */
export function partial(seen, flat, terms = Infinity) {
  const { rowsAt, b, K, side } = seen;
  const done = rowsAt[flat].slice(0, terms);
  const value = done.reduce((sum, row) => factors(seen, row).reduce((m, n) => m * n) + sum, 0);
  return b && side === OUTPUT && terms > rowsAt[flat].length ? value + b[flat % K] : value;
}
