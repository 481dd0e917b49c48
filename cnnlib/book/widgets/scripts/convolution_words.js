// What an explorer of a convolution says: a title, one sentence of task, the sum, a remark.

import { lagsOf, renamedText, unreadCells } from "./convolution_pictures.js";
import { factors, partial } from "./convolution_state.js";
import { laidWords } from "./laid.js";
import { INPUT, OUTPUT, WEIGHT, both, counted, joined, plainPlaces, spatial } from "./sides.js";
import { cells, factor, flatten, indices, inside, met, range, shown, tuple, unflatten, written } from "./sums.js";


/** @param {any} seen */
export function title({ other, ...seen }) {
  if (seen.renamed) return titleTransposed(seen);
  const { flip, shapes: [I, U, P], deep, C, K, G } = seen;
  const groups = G > 1 ? ` in ${G} groups` : "";
  const [of, filters] = deep ? [` in ${counted(C, "channel")}`, `${counted(K, "filter")}${groups} of `] : ["", ""];
  const beside = other ? `; beside it ${laidWords(other, Object.keys(seen.beside))}: ${joined(other.shapes[OUTPUT])} outputs` : "";
  return `${flip ? "Convolution" : "Cross-correlation"}, ${laidWords(seen)}: ` +
    `${joined(P)} inputs${of}, ${filters}${joined(U)} weights, ${joined(I)} outputs${beside}`;
}

/** @param {any} seen */
function titleTransposed({ shapes: [I, U, P], deep, C, K, extra, ...seen }) {
  const [from, to] = deep ? [` in ${counted(K, "channel")}`, ` of ${counted(C, "filter")}`] : ["", ""];
  return `Transposed convolution, ${laidWords(seen)}, output padding ${both(extra)}: ` +
    `${joined(I)} inputs${from}, ${joined(U)} weights${to}, ${joined(P)} outputs`;
}

const PRICE = "A delta is the price that a later layer sent back for one output.";
const TASKS = {
  forward: "Choose an output: which inputs does it read, and through which weights?",
  delta: `${PRICE} Choose an input: what does it owe?`,
  weight: `${PRICE} Choose a weight: what does it owe, over all places where it was used?`,
};

const SLICES = {
  forward: "Choose an output of a filter: each slice of it meets the channel with its number; the sum goes over all.",
  delta: "Choose an input of a channel: it went into outputs of every filter; the sum goes over all.",
  weight: "Choose a weight: it met one channel only, and only the deltas of its own filter.",
};
const GROUPS = "Only filters and channels of one group meet. Choose a cell: which are they?";

export const task = ({ lens, deep, other, renamed, G }) => (renamed
  ? "The delta lens as a layer of its own: each input spreads over the outputs with all weights. Choose an output: what comes together there?"
  : other ? "Choose an output: what does it read with each of the two settings?"
  : G > 1 ? GROUPS : (deep ? SLICES : TASKS)[lens]);

// The book's short names: no zero for the only sample, and none for the only channel and filter.
const brief = (text, deep) => (deep ? text.replace(/\b(x|d?z)\[0,/g, "$1[").replace(/ in each sample\./, ".") : text
  .replace(/\b(d?[xzw])\[0,([\d,]+),0\]/g, "$1[$2]").replace(/\bb\[0\]/g, "b")
  .replace(/ of (sample|filter) 0, (filter|channel) 0,/g, "").replace(/ in each sample\./, "."));

/** The sum of cell `at`, as far as `terms` of its products. */
export function sumOf(seen, at, terms = Infinity) {
  const text = plainPlaces(sumAt(seen, at, terms));
  return seen.renamed ? renamedText(text) : text;
}

function sumAt(seen, at, terms) {
  if (seen.other) return sumsBeside(seen, at, terms);
  const value = partial(seen, at, terms);
  if (seen.deep && seen.side !== WEIGHT) return sumOfSlices(seen, at, terms);
  const { terms: all, ...explained } = seen.explained(at);
  const words = seen.renamed ? gets(seen, at, seen.rowsAt[at].length) : explained.words;
  const text = brief(written({ ...explained, words, terms: all.slice(0, terms), value }), seen.deep)
    .split("\n").map((line) => broken(line, seen, at)).join("\n");
  return terms < all.length ? `${text}, so far` : text;
}

// Of many terms each row of the kernel has a line, of a weight each row of outputs.
function broken(line, { rowsAt, side, shapes }, at) {
  const [terms, rows, other] = [line.split(" + "), rowsAt[at], side === WEIGHT ? OUTPUT : WEIGHT];
  const row = (n) => Math.floor(rows[Math.min(n, rows.length - 1)][other] / shapes[other].at(-1));
  return terms.length > 4 ? terms.reduce((text, term, n) => `${text}${row(n) === row(n - 1) ? "" : "\n   "} + ${term}`) : line;
}

function sumsBeside({ other, ...seen }, at, terms) {
  const place = unflatten(at, seen.shapes[OUTPUT]);
  const names = Object.keys(seen.beside);
  const second = inside(place, other.shapes[OUTPUT])
    ? sumOf(other, flatten(place, other.shapes[OUTPUT]), terms) : `There is no output ${tuple(place)}.`;
  return [[seen, sumOf(seen, at, terms)], [other, second]]
    .map(([one, text]) => `With ${laidWords(one, names)}: ${text}`).join("\n");
}

// The words of a transposed convolution.
const gets = (seen, at, n) =>
  `Output ${tuple(spatial(seen.side, unflatten(at, seen.arrays[seen.side]), seen.axes.length))} gets from ${counted(n, "input")}.`;

// With channels: a line for each slice, and the sum of their sums.
function sumOfSlices(seen, at, terms) {
  const { lens, rowsAt, arrays, side, slice, b, K, C, G, meets, renamed } = seen;
  const [group, index] = [rowsAt[at], unflatten(at, arrays[side])];
  const place = tuple(index.slice(0, -1));
  const forward = lens === "forward";
  const [noun, all] = forward ? ["channel", C] : [renamed ? "channel" : "filter", K];
  const own = range(all).filter((n) => (forward ? meets(index.at(-1), n) : meets(n, index.at(-1))));
  const met = new Set(group.map((row) => row[forward ? INPUT : OUTPUT])).size / own.length;
  const each = G === 1 ? `each of ${counted(all, noun)}`
    : `${own.length === 1 ? `the ${noun}` : `each of the ${counted(own.length, noun)}`} of its group`;
  const head = forward
    ? `Output ${place} of filter ${index.at(-1)} meets ${counted(met, "input cell")} in ${each}.`
    : renamed ? gets(seen, at, met).replace(".", ` of ${each}.`)
    : `Input ${place} of channel ${index.at(-1)} went into ${counted(met, "output")} of ${each}.`;
  const done = group.slice(0, terms);
  const lines = [];
  const sums = [];
  for (const n of own) {
    const products = done.filter((row) => slice(row) === n).map((row) => factors(seen, row));
    if (met && !products.length) break;
    const sum = products.reduce((total, [one, other]) => total + one * other, 0);
    sums.push(sum);
    const text = products.map((pair) => pair.map(factor).join("*")).join(" + ");
    lines.push(`  ${noun} ${n}: ${text || "0"} = ${shown(sum)}`);
  }
  const whole = group.length + Number(forward && Boolean(b));
  if (forward && b && terms >= whole) {
    sums.push(b[at % K]);
    lines.push(`  b[${at % K}] = ${shown(sums.at(-1))}`);
  }
  const name = `${forward ? "z" : "dx"}[${index}]`;
  const far = terms < whole ? ", so far" : "";
  return [head, ...lines, `${name} = ${sums.map(factor).join(" + ")}`, `  = ${shown(partial(seen, at, terms))}${far}`].join("\n");
}

const idle = (n, all, nouns, border) => `${n} of ${all} ${nouns} ${border === "zeros"
  ? n === 1 ? "lies on a dashed zero and adds nothing" : "lie on dashed zeros and add nothing"
  : n === 1 ? "lies on a copy" : "lie on copies"}.`;

// What the sum does not say.
export function remark(seen, at) {
  if (seen.other) return remarkBeside(seen);
  const { lens, turned, axes, shapes, flip, side, border, table } = seen;
  const [I, U, P] = shapes;
  const place = spatial(side, unflatten(at, seen.arrays[side]), axes.length);
  const said = [];
  const n = unreadCells(seen);
  if (seen.renamed) {
    if (seen.extra.some(Boolean)) said.push("The output padding adds outputs at the end; what no kernel reaches is crossed out.");
  } else if (n) said.push(`${n} of ${cells(P)} inputs are crossed out: no output reads ${n === 1 ? "it" : "them"}.`);
  const rows = table.filter((row) => row[side] === flatten(place, shapes[side]));
  const most = cells(lens === "forward" ? U : I);
  const noun = lens === "forward" ? "weights" : "deltas";
  const over = border === "zeros" ? most - rows.length
    : rows.filter(([i, u]) => !inside(met(axes, unflatten(i, I), unflatten(u, U)), P)).length;
  if (over && lens !== "delta") said.push(idle(over, most, noun, border));
  else if (over && border !== "zeros") said.push(`${over} of ${counted(rows.length, "row")} go through copies of this input: they add up.`);
  if (turned) {
    const between = both(axes.map((axis) => axis.stride - 1));
    said.push(`Zeros between the ${seen.renamed ? "inputs" : "deltas"}: ${between}. The ${flip ? "" : "rotated "}kernel slides over ` +
      "them, one cell at a time. The sum is the same.");
  }
  if (seen.coverage) said.push(coverage(seen));
  return said.join(" ");
}

function coverage({ lens, reads, axes, shapes: [, U] }) {
  const [least, most] = [Math.min(...reads), Math.max(...reads)];
  const dropped = axes.some((axis, n) => lagsOf(axis)[1] - lagsOf(axis)[0] > U[n]);
  return `The darker an input, the more often it is read: ${least} to ${most} times.${lens === "weight" && dropped
    ? " Crossed out in dw: lags of the correlation of x with dz that are no weight." : ""}`;
}

function remarkBeside({ shapes: [I], z, other }) {
  const [[J], there] = [other.shapes, other.z];
  const shared = indices(J).filter((index) => inside(index, I));
  const unlike = shared.filter((index) => z[flatten(index, I)] !== there[flatten(index, J)]).length;
  const one = unlike === 1 ? "has another number" : "have other numbers";
  return `Of ${counted(shared.length, "output")} that both have, ${unlike} ${one}. What differs is marked.`;
}

export const SIGNS = [
  ["chosen", "the chosen cell"], ["partner", "its partners"], ["padding", "padding: a zero that nobody stores"],
  ["copy", "a copy of an input"],
  ["unread", "no output reads it"], ["differs", "it differs"], ["tinted", "it is read often"], ["dotted", "the centre: drag the dot"],
];
