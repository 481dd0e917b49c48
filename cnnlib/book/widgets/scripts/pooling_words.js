// What an explorer of a pool says, in the form of `explain` and in the book's short names.

import { INPUT, both, counted, joined } from "./sides.js";
import { windowOf } from "./pooling_state.js";
import { cells, factor, shown, tuple, unflatten } from "./sums.js";

const named = (letter, flat, shape) => `${letter}[${unflatten(flat, shape)}]`;

export function forwardSum(seen, i) {
  const { shapes: [I, U, P], x, a, max, winners, counts, count_padding: counting } = seen;
  const inputs = windowOf(seen, i);
  const largest = inputs.filter((p) => max && x[p] === a[i]).length;
  const outside = cells(U) - inputs.length;
  const words = [`Output ${tuple(unflatten(i, I))} meets ` +
    `${counted(inputs.length, "input cell")}.`];
  if (outside) {
    const role = max ? "counts as minus infinity" : counting ? "counts as 0" : "does not count";
    words.push(`Padding (${counted(outside, "cell")}) ${role}.`);
  }
  if (largest > 1) words.push(`${largest} are equal and largest: the first of them wins.`);
  if (max) words.push(`Winner: ${named("x", winners[i], P)}.`);
  const sum = (part) => (max ? `max(${inputs.map(part).join(", ")})`
    : `(${inputs.map(part).join(" + ")})/${counts[i]}`);
  const numbers = sum((p) => (max ? shown : factor)(x[p]));
  const names = sum((p) => named("x", p, P));
  return `${words.join(" ")}\n${named("a", i, I)} = ${names}\n  = ${numbers}\n  = ${shown(a[i])}`;
}

export function deltaSum({ shapes: [I, , P], rows, da, dx, max, winners, counts }, p) {
  const outputs = rows.filter((row) => row[INPUT] === p).map(([i]) => i);
  const giving = outputs.filter((i) => !max || winners[i] === p);
  const over = (i) => (max ? "" : `/${counts[i]}`);
  const sum = (part) => giving.map((i) => part(i) + over(i)).join(" + ") || "0";
  return `Input ${tuple(unflatten(p, P))} went into ` +
    `${counted(outputs.length, "output")}${max ? ` and won ${giving.length} of them` : ""}.\n` +
    `${named("dx", p, P)} = ${sum((i) => named("da", i, I))}\n` +
    `  = ${sum((i) => factor(da[i]))}\n  = ${shown(dx[p])}`;
}

// Where the delta of an output goes.
export function sentOut(seen, i) {
  const { shapes: [I, , P], da, max, winners, counts } = seen;
  const inputs = max ? [winners[i]] : windowOf(seen, i);
  const whom = max ? "to the winner of its window" : `in ${counts[i]} equal shares to its window`;
  const share = max ? shown(da[i]) : `${factor(da[i])}/${counts[i]} = ${shown(da[i] / counts[i])}`;
  return `The delta of output ${tuple(unflatten(i, I))} goes ${whom}.\n` +
    `${named("da", i, I)} = ${shown(da[i])}\n  adds ${share}\n` +
    `  to ${inputs.map((p) => named("dx", p, P)).join(", ")}`;
}


export function title({ max, shapes: [I, U, P], axes }) {
  return `${max ? "Max" : "Average"}-pooling, window ${joined(U)}, stride ` +
    `${both(axes.map((axis) => axis.stride))}: ${joined(P)} inputs, ${joined(I)} outputs`;
}

export function task({ lens, max }) {
  if (lens === "forward") return `Choose an output: which inputs lie in its window, and ${max ? "which of them wins" : "what is their mean"}?`;
  return "A delta is the price that a later layer sent back for one output. Choose an input: what does it owe?";
}

export const remark = ({ max }) => (max ? "★ wins, = ties with the winner, ✕ lost: its delta goes elsewhere."
  : "Every input of a window counts alike, and gets an equal share back.");
