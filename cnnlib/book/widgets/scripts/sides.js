// The three sides of a row [i, u, p] of the table, and grids that stand for them.

import { short } from "./numbers.js";
import { InputError, flatten, range, shown } from "./sums.js";

export const [OUTPUT, WEIGHT, INPUT] = [0, 1, 2];

export const joined = (shape) => shape.join(" × ");
/** A text in which the place (2,) is written as it is read, 2. */
export const plainPlaces = (text) => text.replace(/\((\d+),\)/g, "$1");
export const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
/** One number for both axes, where they have the same. */
export const both = (values) => (new Set(values.map(String)).size === 1 ? String(values[0]) : joined(values));

/** @typedef {{ label: string, first: number[], end: number[], content: (index: number[]) => any }} Picture */

/** The part of an index that says a place: of arrays with channels, it stands between the others. */
export const spatial = (side, index, axes) => (index.length === axes ? index
  : side === WEIGHT ? index.slice(1, -1) : index.slice(0, -1));

/**
 * A number for each cell of one side, or of a slice of it: `at(index)` is its flat place,
 * `marks(index, flat)` says how it looks and what lies on it. A value of undefined is not there yet.
 * @returns {Picture}
 */
export function plain({
  label, letter, shape, kind, values, marks, at = (index) => flatten(index, shape), named = (_flat, index) => index,
  sized = true,
}) {
  return {
    label: sized ? `${label}, ${joined(shape)}` : label, first: shape.map(() => 0), end: shape,
    content(index) {
      const flat = at(index);
      const value = values[flat];
      const told = marks(index, flat);
      const cell = { flat, name: `${letter}[${named(flat, index)}]${told.note ?? ""}`, ...told };
      if (value === undefined) return { ...cell, text: "", kind: "waiting" };
      return { ...cell, text: short(value), exact: shown(value), kind: told.kind ?? kind };
    },
  };
}

// Which rows belong to each cell of a side, in the order in which its sum is written.
export function rowsBySide(rows, side, size) {
  const groups = Array.from({ length: size }, () => /** @type {number[][]} */ ([]));
  rows.forEach((row) => groups[row[side]].push(row));
  return groups;
}

/** The flat places of these rows on each side. */
export const partners = (rows) =>
  [OUTPUT, WEIGHT, INPUT].map((side) => new Set(rows.map((row) => row[side])));

// The weight of each axis that sits on its output's own place, if there is one: a padding is a centre too.
export function centreOf(axes) {
  const own = axes.map((axis) => range(axis.kernel).find((u) => axis.input(0, u) === 0));
  return own.includes(undefined) ? null : own;
}

// The places along an axis that any output reads, and the inputs that they stand for.
export function readPlaces(axis) {
  const places = new Set();
  for (let i = 0; i < axis.outputs; i++) {
    for (let u = 0; u < axis.kernel; u++) places.add(axis.input(i, u)).add(axis.named(axis.input(i, u)));
  }
  return places;
}

const DRAWN = 30; // cells along an axis, with the padding

// A page that shall draw ten thousand cells stands still.
export function checkSize(axes) {
  axes.forEach(({ inputs, pads, after }, n) => {
    const [before, behind] = [pads[0], Math.max(pads[1], after)];
    if (before + inputs + behind <= DRAWN) return;
    throw new InputError(`the padded input has ${before} + ${inputs} + ${behind} cells on spatial ` +
      `axis ${n}; the explorer draws at most ${DRAWN}`);
  });
}
