// Both passes of a network in the page, and the connections of any cell.

import {
  InputError, Window, cells, channelwise, conv, convDelta, layPool, maxPool, maxPoolDelta, products, range,
  unflatten, weights,
} from "./sums.js";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
export const BLANK = "A"; // an image of black pixels; "" stands for no drawing
const TINY = 2 ** -126; // the smallest probability, as in cnnlib's float32

// ---- What network.py wrote

// The weights as float32: (level - half) * scale, rounded once.
function readWeights({ values, letters, scale }) {
  const half = 64 ** letters / 2;
  const levels = range(values.length / letters).map((n) =>
    range(letters).reduce((level, m) => 64 * level + LETTERS.indexOf(values[n * letters + m]), 0));
  return Float32Array.from(levels, (level) => (level - half) * scale);
}

// A pixel is a letter, its grey level of 64; a dot and a letter are a run of black pixels.
export function readImage(text) {
  const whole = text.replace(/\.(.)/g, (_, count) => "A".repeat(LETTERS.indexOf(count)));
  const levels = [...whole.padEnd(784, "A")].map((letter) => LETTERS.indexOf(letter));
  if (levels.length !== 784 || levels.includes(-1)) {
    throw new InputError("the drawing is no image of 28 by 28 pixels");
  }
  return Float32Array.from(levels, (level) => level / 63);
}

export function writeImage(x) {
  const text = Array.from(x, (grey) => LETTERS[Math.round(63 * grey)]).join("").replace(/A+$/, "");
  return text.replace(/A{2,63}/g, (run) => `.${LETTERS[run.length]}`) || BLANK;
}

// ---- The two passes. maps[0] is the image, maps[n] what layers[n - 1] makes of maps[n - 1]; all
// are flat. A dense layer is a convolution with one input cell of many channels, one output cell
// and one weight between them: its table has a single row.

export function buildLayers({ input_shape, layers, params }) {
  let shape = input_shape;
  return layers.map((made) => {
    const { kind, settings } = made;
    const [P, w, b] = [shape.slice(0, -1), params[`${made.name}.w`], params[`${made.name}.b`]];
    const layer = { ...made, from: [1, ...shape], I: made.shape.slice(0, -1) };
    if (b) layer.b = readWeights(b);
    if (kind === "Conv") {
      layer.w = { shape: w.shape, data: readWeights(w) };
      layer.rows = new Window(w.shape.slice(1, -1), settings).connections(P);
    } else if (kind === "Dense") {
      const [L, K] = w.shape;
      const data = readWeights(w).map((_, n, all) => all[(n % L) * K + Math.floor(n / L)]);
      layer.w = { shape: [K, 1, L], data };
      Object.assign(layer, { from: [1, 1, L], I: [1], rows: [[0, 0, 0]] });
    } else if (kind === "MaxPool") {
      layer.rows = channelwise(layPool(P, settings.window, settings).connections(P), shape.at(-1));
    }
    shape = made.shape;
    return layer;
  });
}

export const added = (values) => values.reduce((sum, value) => sum + value, 0);

const KINDS = {
  Conv: {
    forward: ({ from, w, b, rows, I }, data) => conv({ shape: from, data }, w, b, rows, I).data,
    backward: ({ from, w, rows, I }, data) =>
      convDelta({ shape: [1, ...I, w.shape[0]], data }, w, from, rows).data,
  },
  MaxPool: {
    forward(layer, x) {
      const { a, winners } = maxPool(x, layer.rows, cells(layer.shape));
      layer.winners = winners; // the backward pass asks for them
      return a;
    },
    backward: ({ winners, from }, da) => maxPoolDelta(da, winners, cells(from)),
  },
  Flatten: { forward: (_, x) => x, slope: () => 1 },
  ReLU: { forward: (_, z) => z.map((value) => Math.max(value, 0)), slope: (a) => Number(a > 0) },
  Sigmoid: {
    forward: (_, z) => z.map((value) => 1 / (1 + Math.exp(-value))), slope: (a) => a * (1 - a),
  },
  Softmax: {
    forward(_, z) {
      const powers = z.map((value) => Math.exp(value - Math.max(...z)));
      return powers.map((power) => Math.max(power / added(powers), TINY));
    },
    backward(_, da, a) {
      const mean = added(a.map((share, k) => share * da[k]));
      return da.map((delta, k) => a[k] * (delta - mean));
    },
  },
};
KINDS.Dense = KINDS.Conv;
for (const kind of [KINDS.Flatten, KINDS.ReLU, KINDS.Sigmoid]) { // a slope is read from the output
  kind.backward = (_, da, a) => da.map((delta, n) => delta * kind.slope(a[n]));
}

export function forwardPass(layers, image) {
  const maps = [image];
  for (const layer of layers) maps.push(KINDS[layer.kind].forward(layer, maps.at(-1)));
  return maps;
}

// deltas[n] is dE/dmaps[n], where the loss is E = -log y[target].
export function backwardPass(layers, maps, target) {
  const y = maps.at(-1);
  const deltas = [y.map((share, k) => (k === target ? -1 / share : 0))];
  for (let n = layers.length; n > 0; n--) {
    deltas.unshift(KINDS[layers[n - 1].kind].backward(layers[n - 1], deltas[0], maps[n]));
  }
  return { deltas, loss: -Math.log(y[target]) };
}

// ---- Connections. `side` says what `cell` is, by its place in a row of the table: 0 an output of
// the layer, 2 an input. `at` is the partner on the other side, `factor` is d output / d input.

export function connectionsOf({ kind, rows, w, winners }, side, cell, a) {
  const found = [];
  const add = (at, factor, name = "slope") => found.push({ at, factor, name });
  if (w) {
    const [K, C, U] = weights(w);
    const place = Math.floor(cell / (side ? C : K));
    products(rows.filter((row) => row[side] === place), K, C, U, (i, u, p) => {
      if ((side ? p : i) !== cell) return;
      add(side ? i : p, w.data[u], `w[${kind === "Dense" ? [p, i] : unflatten(u, w.shape)}]`);
    });
  } else if (kind === "MaxPool") {
    const met = rows.filter((row) => row[side] === cell);
    met.forEach((row) => add(row[2 - side], Number(winners[row[0]] === row[2])));
  } else if (kind === "Softmax") { // its Jacobian is symmetric
    a.forEach((share, m) => add(m, share * (Number(m === cell) - a[cell])));
  } else add(cell, KINDS[kind].slope(a[cell]));
  return found;
}

// All cells on the other side that are connected to any of the marked ones.
export function reach({ kind, rows, w, from, shape }, side, marked) {
  if (!rows) return kind === "Softmax" ? marked.map(() => 1) : marked;
  const [C, K] = w ? [w.shape.at(-1), w.shape[0]] : [1, 1]; // a pool keeps the channels apart
  const [own, other] = side ? [C, K] : [K, C];
  const met = new Uint8Array(cells(side ? shape : from));
  for (const row of rows) {
    if (!marked.subarray(row[side] * own, (row[side] + 1) * own).includes(1)) continue;
    met.fill(1, row[2 - side] * other, (row[2 - side] + 1) * other);
  }
  return met;
}
