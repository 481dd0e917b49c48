// What is said about a cell: `passes` holds layers, maps, deltas, target, and label(n, cell).

import { added, connectionsOf } from "./network_passes.js";
import { factor, range, shown, unflatten } from "./sums.js";

export const told = (value) => shown(value + 0); // no -0
const factored = (value) => factor(value + 0);

const FEW = 4; // products that are written out: the largest ones
const FORMULAS = { // of the layers that do not sum products
  Flatten: "?", ReLU: "max(?, 0)", Sigmoid: "1/(1 + exp(-?))", MaxPool: "max(?)",
  Softmax: "exp(?)/(sum of exp over all cells)",
};

const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

// Lines such as `w[0,1]*x[1] = 2*3 = 6`; `rest` says what becomes of the smaller products.
function writtenProducts(terms, { partner, value, rest, to = (_at) => "" }) {
  const product = ({ at, factor }) => factor * value(at);
  const sorted = [...terms].sort((a, b) => Math.abs(product(b)) - Math.abs(product(a)));
  const lines = sorted.slice(0, FEW).map((term) => `  ${term.name}*${partner(term.at)} = ` +
    `${factored(term.factor)}*${factored(value(term.at))} = ${told(product(term))}${to(term.at)}`);
  const others = sorted.slice(FEW);
  return others.length ? [...lines, `  and ${rest(others.length, others.map(product))}`] : lines;
}

const summed = (count, products) => `${counted(count, "smaller one")}: ${told(added(products))}`;

export function tellForward({ layers, maps, label }, n, cell) {
  const me = `${label(n, cell)} = `;
  const value = told(maps[n][cell]);
  if (n === 0) return [`${me}${value}, a grey level: 0 is black, 1 is white.`];
  const [layer, x] = [layers[n - 1], maps[n - 1]];
  const terms = connectionsOf(layer, 0, cell, maps[n]);
  const partner = (at) => label(n - 1, at);
  if (layer.kind in FORMULAS) {
    const met = layer.kind === "MaxPool" ? terms.map(({ at }) => at) : [cell];
    const formula = (text) => FORMULAS[layer.kind].replace("?", met.map(text).join(", "));
    const number = layer.kind === "Sigmoid" ? factored : told; // it puts a minus before it
    return [me + formula(partner), `  = ${formula((at) => number(x[at]))} = ${value}`];
  }
  return [`${me}${value}, the sum of ${counted(terms.length, "product")} and a bias:`,
    ...writtenProducts(terms, { partner, value: (at) => x[at], rest: summed }),
    `  and ${told(layer.b?.[cell % layer.b.length] ?? 0)}, the bias`];
}

export function tellBackward({ layers, maps, deltas, target, label }, n, cell) {
  const me = `d${label(n, cell)}`;
  const delta = deltas[n][cell];
  const lines = [];
  if (n < layers.length) {
    const terms = connectionsOf(layers[n], 2, cell, maps[n + 1]);
    lines.push(`${me} = ${told(delta)}: it owes the sum of ${counted(terms.length, "product")},`,
      ...writtenProducts(terms, {
        partner: (at) => `d${label(n + 1, at)}`, value: (at) => deltas[n + 1][at], rest: summed,
      }));
  } else if (cell === target) {
    lines.push(`${me} = -1/${label(n, cell)} = ${told(delta)}: the loss is -log of it.`);
  } else lines.push(`${me} = 0: the loss reads the probability of class ${target} alone.`);
  if (n === 0) return lines;
  const sent = connectionsOf(layers[n - 1], 0, cell, maps[n]);
  return [...lines, `and sends on ${counted(sent.length, "product")}:`, ...writtenProducts(sent, {
    partner: () => me, value: () => delta, to: (at) => ` to ${label(n - 1, at)}`,
    rest: (count) => `smaller ones to ${counted(count, "other cell")}`,
  })];
}

const both = (values) => (new Set(values).size === 1 ? String(values[0]) : values.join(" × "));

/** Of a layer. @param {{ size: number[], jump: number[], start: number[] }} field */
export const fieldWords = (field) =>
  ["size", "jump", "start"].map((name) => `${name} ${both(field[name])}`).join(", ");

// What a cell sees, as an index rule: index[n] is its place along axis n, if it has one.
export function tellRule(me, { size, jump, start }, index) {
  const along = ["rows", "columns"].map((noun, n) => {
    const i = index[n] ?? 0;
    const first = start[n] + jump[n] * i;
    return { first, end: first + size[n], line: `  ${noun} from ${start[n]} + ${jump[n]}*${i} = ${first} to ${first + size[n] - 1}` };
  });
  const beside = along.some(({ first, end }) => first < 0 || end > 28);
  return [`${me} may see size cells, from start + jump*i on:`, ...along.map(({ line }) => line),
    ...(beside ? ["What of them is beside 0 to 27 is padding."] : [])];
}

// The receptive field: the rows and columns of the image that are marked.
export function tellField(marked) {
  const places = range(784).filter((p) => marked[p]).map((p) => unflatten(p, [28, 28]));
  const [rows, columns] = [0, 1].map((axis) => places.map((place) => place[axis]))
    .map((along) => `${Math.min(...along)} to ${Math.max(...along)}`);
  const seen = counted(places.length, "cell");
  return `It sees ${seen} of the image: rows ${rows}, columns ${columns}.`;
}
