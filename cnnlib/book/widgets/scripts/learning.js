// A small network that learns in the page: Conv(K, 3), ReLU, MaxPool(2), Flatten, Dense(10) and
// SoftmaxCrossEntropy, trained by SGD as `cnnlib.learning.training.steps` does. The two passes are
// those of sums.js, sample by sample.

import { Random } from "./random.js";
import { Window, cells, channelwise, conv, convWeightGradient, layPool, maxPool, maxPoolDelta, range } from "./sums.js";

const CLASSES = 10;
const KERNEL = [3, 3];
const POOL = 2;

// Normal numbers of the deviation that `cnnlib.learning.layers.first_weights` means.
function firstWeights(count, into, outOf, init, random) {
  const known = { he: Math.sqrt(2 / into), glorot: Math.sqrt(2 / (into + outOf)) };
  const deviation = known[init] ?? init;
  return Float64Array.from({ length: count }, () => deviation * random.normal());
}

const added = (to, values) => values.forEach((value, n) => { to[n] += value; });

export class Learner {
  settings; images; shape; I; K;

  /**
   * @param {{ rate: number, batch: number, init: string | number, filters: number, seed: number }} settings
   * @param {{ x: Float64Array, t: number }[]} images to learn from
   * @param {number[]} shape of an image, with its channel
   */
  constructor(settings, images, shape) {
    const [P, K] = [shape.slice(0, -1), settings.filters];
    const window = new Window(KERNEL);
    const [I, size] = [window.outputShape(P), cells(KERNEL)];
    const pool = layPool(I, [POOL, POOL]);
    Object.assign(this, { settings, images, shape, I, K });
    this.rows = window.connections(P);
    this.pooled = channelwise(pool.connections(I), K);
    this.inputs = cells(pool.outputShape(I)) * K; // of the dense layer
    this.random = new Random(settings.seed);
    this.params = {
      "conv1.w": firstWeights(K * size, size, size * K, settings.init, this.random),
      "conv1.b": new Float64Array(K),
      "dense1.w": firstWeights(this.inputs * CLASSES, this.inputs, CLASSES, settings.init, this.random),
      "dense1.b": new Float64Array(CLASSES),
    };
    /** @type {number[]} */ this.waiting = []; // of the shuffled images of this epoch
    this.steps = 0;
    this.seen = 0; // images
  }

  zeros() {
    return Object.fromEntries(Object.entries(this.params).map(([name, p]) => [name, new Float64Array(p.length)]));
  }

  kernel() {
    return { shape: [this.K, ...KERNEL, 1], data: this.params["conv1.w"] };
  }

  // The activations of the convolution, the logits, and what the way back needs.
  forward(x) {
    const image = { shape: [1, ...this.shape], data: x };
    const a = conv(image, this.kernel(), this.params["conv1.b"], this.rows, this.I).data
      .map((z) => Math.max(z, 0));
    const { a: kept, winners } = maxPool(a, this.pooled, this.inputs);
    const y = Float64Array.from(this.params["dense1.b"]);
    const w = this.params["dense1.w"];
    kept.forEach((value, n) => { for (let k = 0; k < CLASSES; k++) y[k] += value * w[n * CLASSES + k]; });
    return { image, a, kept, winners, y };
  }

  // The loss of one image; its gradients, times `share`, are added to `grads`. Returns the deltas
  // of the convolution's outputs, too.
  backward({ image, a, kept, winners, y }, t, share, grads) {
    const most = Math.max(...y);
    const powers = y.map((value) => Math.exp(value - most));
    const sum = powers.reduce((all, one) => all + one, 0);
    const dy = powers.map((power, k) => (power / sum - Number(k === t)) * share);
    const w = this.params["dense1.w"];
    const back = new Float64Array(kept.length);
    kept.forEach((value, n) => {
      for (let k = 0; k < CLASSES; k++) {
        grads["dense1.w"][n * CLASSES + k] += value * dy[k];
        back[n] += w[n * CLASSES + k] * dy[k];
      }
    });
    added(grads["dense1.b"], dy);
    const dz = maxPoolDelta(back, winners, a.length).map((delta, n) => (a[n] > 0 ? delta : 0));
    const deltas = { shape: [1, ...this.I, this.K], data: dz };
    added(grads["conv1.w"], convWeightGradient(image, deltas, KERNEL, this.rows).data);
    dz.forEach((delta, n) => { grads["conv1.b"][n % this.K] += delta; });
    return { loss: Math.log(sum) - (y[t] - most), dz };
  }

  // One step: the loss of its batch before it. One whose loss is not finite is not taken.
  step() {
    const { batch, rate } = this.settings;
    if (!this.waiting.length) this.waiting = this.random.permutation(this.images.length);
    const index = this.waiting.splice(0, batch);
    const grads = this.zeros();
    const losses = index.map((n) => {
      const { x, t } = this.images[n];
      return this.backward(this.forward(x), t, 1 / index.length, grads).loss;
    });
    const loss = losses.reduce((sum, one) => sum + one, 0) / index.length;
    this.steps += 1;
    this.seen += index.length;
    if (!Number.isFinite(loss)) return loss;
    for (const [name, p] of Object.entries(this.params)) {
      grads[name].forEach((g, n) => { p[n] -= rate * g; });
    }
    return loss;
  }
}

// ---- What is recorded of a moment, as in recording.py

const EDGES = range(24).map((m) => 10 ** ((m - 16) / 2));

/** The shares of the values in 25 bins: the zeros, and half decades. */
export function histogram(values) {
  const counts = Array(EDGES.length + 1).fill(0);
  values.forEach((value) => { counts[EDGES.filter((edge) => edge <= Math.abs(value)).length] += 1; });
  return counts.map((count) => count / values.length);
}

const rootMeanSquare = (values) =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

/**
 * What recording.py keeps of a moment: measured on the probe, and of its image number `one`.
 * @param {Learner} learner
 */
export function frameOf(learner, probe, one) {
  const grads = learner.zeros();
  const seen = probe.map(({ x }) => learner.forward(x));
  const back = seen.map((each, n) => learner.backward(each, probe[n].t, 1 / probe.length, grads));
  const read = seen.map(({ y }) => y.indexOf(Math.max(...y)));
  const joined = (name) => Float64Array.from(seen.flatMap((each) => [...each[name]]));
  const parts = {
    conv1: { activations: joined("a"), gradients: grads["conv1.w"] },
    dense1: { activations: joined("y"), gradients: grads["dense1.w"] },
  };
  const { K, I } = learner;
  const measured = (measure) => Object.fromEntries(Object.entries(parts).map(([name, values]) =>
    [name, { activations: measure(values.activations), gradients: measure(values.gradients) }]));
  return {
    loss: back.reduce((sum, { loss }) => sum + loss, 0) / probe.length,
    accuracy: read.filter((k, n) => k === probe[n].t).length / probe.length,
    read: read[one],
    shares: measured(histogram),
    sizes: measured(rootMeanSquare),
    arrays: {
      "conv1.w": { shape: [K, ...KERNEL, 1], values: [...learner.params["conv1.w"]] },
      "conv1.a": { shape: [...I, K], values: [...seen[one].a] },
      "conv1.dz": { shape: [...I, K], values: [...learner.backward(seen[one], probe[one].t, 1, learner.zeros()).dz] },
    },
  };
}
