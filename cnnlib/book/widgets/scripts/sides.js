// The three sides of a row [i, u, p] of the table, and grids that stand for them.

import { short } from "./numbers.js";
import { InputError, flatten, range, shown } from "./sums.js";

export const [OUTPUT, WEIGHT, INPUT] = [0, 1, 2];

export const joined = (shape) => shape.join(" × ");

/** @typedef {{ label: string, first: number[], end: number[], content: (index: number[]) => any }} Picture */

/**
 * A number for each cell of one side: `marks(index, flat)` says how it looks, `more` what lies on it.
 * A value of undefined is not there yet.
 * @returns {Picture}
 */
export function plain({ label, letter, shape, kind, values, marks }) {
  return {
    label: `${label}, ${joined(shape)}`, first: shape.map(() => 0), end: shape,
    content(index) {
      const flat = flatten(index, shape);
      const value = values[flat];
      const told = marks(index, flat);
      const cell = { flat, name: `${letter}[${index}]`, ...told };
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

// The places along an axis that any output reads.
export function readPlaces(axis) {
  const places = new Set();
  for (let i = 0; i < axis.outputs; i++) {
    for (let u = 0; u < axis.kernel; u++) places.add(axis.input(i, u));
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
