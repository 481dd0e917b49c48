// What the state of a pool says: everything that is drawn is read from here. Places are flat.

import { INPUT, OUTPUT, centreOf, checkSize, readPlaces, rowsBySide } from "./sides.js";
import {
  InputError, avgPool, avgPoolDelta, cells, flatten, layPool, maxPool, maxPoolDelta, poolCounts,
  range, repr, shapeOf,
} from "./sums.js";

export const WORDS = { lens: ["forward", "delta"], pool: ["max", "average"] };
export const TRAITS = [
  "input", "pool", "window", "stride", "padding", "center", "flip", "count_padding", "lens",
  "position", "deltas",
];
const LARGEST = 16;
const WIDEST = 16;

// Throws an InputError where the state cannot be. The chosen cell and the deltas follow the grids.
export function look(state) {
  for (const [name, words] of Object.entries(WORDS)) {
    if (words.includes(state[name])) continue;
    const expected = words.map(repr).join(" or ");
    throw new InputError(`${name} is ${repr(state[name])}; expected ${expected}`);
  }
  const P = shapeOf(state.input);
  if (!P || P.length > 2 || Math.min(...P) < 1 || Math.max(...P) > LARGEST) {
    throw new InputError("input is no row or grid of finite numbers, of at most " +
      `${LARGEST} cells along an axis`);
  }
  if (typeof state.count_padding !== "boolean") {
    throw new InputError(`count_padding is ${repr(state.count_padding)}; expected true or false`);
  }
  if (![state.position].flat().every(Number.isInteger)) {
    throw new InputError(`position is ${repr(state.position)}; expected the index of a cell`);
  }
  if ([state.window].flat().some((size) => size > WIDEST)) {
    throw new InputError(`window is ${repr(state.window)}; the explorer draws at most ${WIDEST} cells of it`);
  }
  const laid = layPool(P, state.window, state);
  const [axes, U] = [laid.axes(P), laid.kernel];
  checkSize(axes);
  const rows = laid.connections(P);
  const I = axes.map((axis) => axis.outputs);
  const deltas = state.deltas && String(shapeOf(state.deltas)) === String(I) ? state.deltas : null;
  const da = deltas?.flat() ?? range(cells(I)).map((i) => 10 * (i + 1));
  const x = state.input.flat().map((value) => value + 0); // + 0: a zero has no sign
  const side = state.lens === "forward" ? OUTPUT : INPUT;
  const shapes = [I, U, P];
  const position = shapes[side].map((size, n) =>
    Math.max(0, Math.min([state.position].flat()[n] ?? 0, size - 1)));
  const here = flatten(position, shapes[side]);
  const groups = rowsBySide(rows, side, cells(shapes[side]));
  const counts = poolCounts(rows, da.length, state.count_padding ? cells(U) : null);
  const seen = {
    ...state, position, deltas, side, here, axes, rows, groups, shapes, arrays: shapes, x, da,
    read: axes.map(readPlaces), dot: centreOf(axes), order: range(groups.length),
    moments: groups.map(() => 1),
  };
  const max = state.pool === "max";
  const { a, winners } = max ? maxPool(x, rows, da.length) : { a: avgPool(x, rows, counts), winners: null };
  const dx = max ? maxPoolDelta(da, winners, x.length) : avgPoolDelta(da, rows, counts, x.length);
  if (![...a, ...dx].every(Number.isFinite)) {
    throw new InputError("the sums are larger than a number can be; use smaller numbers");
  }
  return max ? { ...seen, max, a, winners, dx } : { ...seen, max, a, counts, dx };
}

// The inputs of a window, in the order of the input.
export const windowOf = ({ rows }, output) =>
  rows.filter(([i]) => i === output).map(([, , p]) => p).sort((p, q) => p - q);

