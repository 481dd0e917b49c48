// What the state of a convolution says: everything that is drawn is read from here.

import { INPUT, OUTPUT, WEIGHT, centreOf, checkSize, readPlaces, rowsBySide } from "./sides.js";
import {
  InputError, Window, cells, conv, convDelta, convWeightGradient, explain, flatten, range,
  repr, shapeOf, tensor, unflatten,
} from "./sums.js";

export const LENSES = {
  forward: { side: OUTPUT, quantity: "z" }, delta: { side: INPUT, quantity: "dx" },
  weight: { side: WEIGHT, quantity: "dw" },
};
export const TRAITS = [
  "lens", "position", "stride", "dilation", "padding", "center", "flip", "input", "kernel", "bias",
  "deltas", "rotated",
];
const LARGEST = 10; // cells of an input or a kernel along an axis

function gridShape(name, values) {
  const wrong = (reason) => new InputError(`${name} ${reason}`);
  const one = Array.isArray(values) && !values.some(Array.isArray);
  const rows = one ? [values] : values;
  const width = rows?.[0]?.length ?? 0;
  if (!Array.isArray(rows) || !rows.every((row) => Array.isArray(row) && row.length === width)) {
    throw wrong("is no list of numbers or of equally long rows");
  }
  if (!rows.flat().every(Number.isFinite)) throw wrong("holds a number that is not finite; replace it");
  if (Math.max(rows.length, width) > LARGEST) {
    throw wrong(`has ${rows.length} by ${width} cells; expected at most ${LARGEST} along an axis`);
  }
  return one ? [width] : [rows.length, width];
}

function checkWords({ lens, bias, rotated, position }) {
  if (typeof lens !== "string" || !Object.hasOwn(LENSES, lens)) {
    throw new InputError(`lens is ${repr(lens)}; expected 'forward', 'delta' or 'weight'`);
  }
  if (!Number.isFinite(bias)) throw new InputError("bias is no finite number; replace it");
  if (typeof rotated !== "boolean") {
    throw new InputError(`rotated is ${repr(rotated)}; expected true or false`);
  }
  if (![position].flat().every(Number.isInteger)) {
    throw new InputError(`position is ${repr(position)}; expected the index of a cell`);
  }
}

/**
 * Throws an InputError where the state cannot be. The chosen cell and the deltas follow the grids.
 * @param {any} state
 * @returns {any}
 */
export function look(state) {
  checkWords(state);
  const { side, quantity } = LENSES[state.lens];
  const [P, U] = [gridShape("input", state.input), gridShape("kernel", state.kernel)];
  const window = new Window(U, state);
  const axes = window.axes(P);
  checkSize(axes);
  const I = axes.map((axis) => axis.outputs);
  const shapes = [I, U, P];
  const place = [state.position].flat();
  const position = shapes[side].map((size, n) => Math.max(0, Math.min(place[n] ?? 0, size - 1)));
  if (state.deltas !== null) gridShape("deltas", state.deltas);
  const deltas = String(shapeOf(state.deltas ?? [])) === String(I) ? state.deltas : null;
  const spare = range(cells(I)).map((m) => ((5 * m + 3) % 7) - 2);
  const x = tensor(state.input, [1, ...P, 1]);
  const w = tensor(state.kernel, [1, ...U, 1]);
  const dz = tensor(deltas ?? spare, [1, ...I, 1]);
  const b = state.bias ? [state.bias] : null;
  const rows = window.connections(P);
  window.connections = () => rows; // once for all cells
  const sums = {
    z: conv(x, w, b, rows, I).data, dx: convDelta(dz, w, x.shape, rows).data,
    dw: convWeightGradient(x, dz, U, rows).data,
  };
  if (!Object.values(sums).every((data) => data.every(Number.isFinite))) {
    throw new InputError("the sums are larger than a number can be; use smaller numbers");
  }
  const groups = rowsBySide(rows, side, cells(shapes[side]));
  return {
    ...state, position, deltas, side, axes, rows, groups, shapes, ...sums,
    here: flatten(position, shapes[side]),
    dot: window.center ?? centreOf(axes),
    read: axes.map(readPlaces),
    x: x.data, w: w.data, dz: dz.data,
    moments: groups.map((group) => Math.max(1, group.length + Number(Boolean(b) && side === OUTPUT))),
    explained: (flat) =>
      explain(quantity, [0, ...unflatten(flat, shapes[side]), 0], { x, w, b, dz }, window),
  };
}

