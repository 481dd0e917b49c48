// What an explorer of a convolution says: a title, one sentence of task, the sum, a remark.

import { hanging, unreadCells } from "./convolution_pictures.js";
import { joined } from "./sides.js";
import { cells, indices, met, unflatten, written } from "./sums.js";

const both = (values) => (new Set(values.map(String)).size === 1 ? String(values[0]) : joined(values));


export function title({ flip, shapes: [I, U, P], axes, center, padding }) {
  const laid = [`stride ${both(axes.map((axis) => axis.stride))}`];
  const dilation = both(axes.map((axis) => axis.dilation));
  if (dilation !== "1") laid.push(`dilation ${dilation}`);
  if (center !== null) laid.push(`centre (${[center].flat().join(", ")})`);
  else if (typeof padding === "string" && padding !== "valid") laid.push(`padding '${padding}'`);
  else {
    const pads = axes.flatMap((axis) => axis.pads);
    laid.push(`padding ${new Set(pads).size === 1 ? pads[0] : axes.map((axis) => axis.pads.join(" and ")).join("; ")}`);
  }
  return `${flip ? "Convolution" : "Cross-correlation"}, ${laid.join(", ")}: ` +
    `${joined(P)} inputs, ${joined(U)} weights, ${joined(I)} outputs`;
}

const TASKS = {
  forward: "Choose an output: which inputs does it read, and through which weights?",
  delta: "A delta is the price that a later layer sent back for one output. Choose an input: what does it owe?",
  weight: "A delta is the price that a later layer sent back for one output. Choose a weight: what does it owe, over all places where it was used?",
};

export const task = ({ lens }) => TASKS[lens];

// The book's short names: no zero for the only sample, channel and filter.
const brief = (text) => text
  .replace(/\b(d?[xzw])\[0,([\d,]+),0\]/g, "$1[$2]").replace(/\bb\[0\]/g, "b")
  .replace(/ of (sample|filter) 0, (filter|channel) 0,/g, "").replace(/ in each sample\./, ".");

/** The sum of cell `at`, as far as `terms` of its products. */
export function sumOf(seen, at, terms = Infinity) {
  const { terms: all, ...explained } = seen.explained(at);
  const part = all.slice(0, terms);
  const value = part.reduce((sum, [[, m], [, n] = ["", 1]]) => sum + m * n, 0);
  const text = brief(written({ ...explained, terms: part, value }));
  return part.length < all.length ? `${text}, so far` : text;
}

// What the sum does not say.
export function remark(seen, at) {
  const { lens, rotated, axes, shapes: [I, U, P], flip, side, shapes } = seen;
  const place = unflatten(at, shapes[side]);
  const said = [];
  const n = unreadCells(seen);
  if (n) said.push(`${n} of ${cells(P)} inputs are crossed out: no output reads ${n === 1 ? "it" : "them"}.`);
  if (lens === "forward") {
    const over = hanging(indices(U).map((u) => met(axes, place, u)), P);
    if (over) said.push(`${over} of ${cells(U)} weights hang over, on dashed zeros: they have no row.`);
  } else if (lens === "weight") {
    const over = hanging(indices(I).map((i) => met(axes, i, place)), P);
    if (over) said.push(`${over} of ${cells(I)} deltas lie on dashed zeros: they have no row.`);
  } else if (rotated) {
    const between = both(axes.map((axis) => axis.stride - 1));
    said.push(`Zeros between the deltas: ${between}. The ${flip ? "" : "rotated "}kernel slides over ` +
      "them, one cell at a time. The sum is the same.");
  }
  return said.join(" ");
}

export const SIGNS = [
  ["chosen", "the chosen cell"], ["partner", "its partners"], ["padding", "padding: a zero that nobody stores"],
  ["unread", "no output reads it"], ["dotted", "the centre: drag the dot"],
];
