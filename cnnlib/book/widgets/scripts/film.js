// Films of a training: recordings (recording.py has the format), and one that is made live.

import { Learner, frameOf } from "./learning.js";
import { InputError, cells, range, repr } from "./sums.js";

async function inflated(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Adds to a recording `film.at(name, frame)`: numbers, shape without the frames, limit; and
// `film.largest(name)`: the largest limit.
export async function unpack(recording) {
  const bytes = await inflated(recording.bytes);
  const arrays = new Map();
  let start = 0;
  for (const { name, shape: [frames, ...shape], limits } of recording.arrays) {
    const count = cells(shape);
    const q = bytes.subarray(start, start + count * frames);
    // The bytes are differences, modulo 256 as in any Uint8Array; one place stands after the other.
    q.forEach((_, n) => { if (n % frames) q[n] += q[n - 1]; });
    arrays.set(name, { frames, shape, limits, count, q });
    start += count * frames;
  }
  const at = (name, f) => {
    const { frames, shape, limits, count, q } = arrays.get(name);
    const limit = limits[limits.length > 1 ? f : 0];
    const values = range(count).map((n) => ((q[n * frames + f] - 64) * limit) / 63);
    return { values, shape, limit };
  };
  return { ...recording, at, largest: (name) => Math.max(...arrays.get(name).limits) };
}

export const lastUntil = (steps, step) => steps.findLastIndex((s) => s <= step);

export function recordingsOf({ recordings, data }) {
  if (!Array.isArray(recordings) || ![1, 2].includes(recordings.length)) {
    throw new InputError(`recordings is ${repr(recordings)}; expected one or two of ${Object.keys(data).join(", ")}`);
  }
  return recordings.map((film) => {
    if (typeof film === "string" && !Object.hasOwn(data, film)) {
      throw new InputError(`recordings has ${repr(film)}; this page has ${Object.keys(data).join(", ")}`);
    }
    return data[film] ?? film;
  });
}

// How many filters all films have of each convolution that they share.
export function sharedFilters(films) {
  const counts = films.map(({ arrays }) => Object.fromEntries(
    arrays.filter(({ name }) => name.endsWith(".a"))
      .map(({ name, shape }) => [name.slice(0, -2), shape.at(-1)])));
  const names = Object.keys(counts[0]).filter((name) => counts.every((count) => name in count));
  return Object.fromEntries(
    names.map((name) => [name, Math.min(...counts.map((count) => count[name]))]));
}

// ---- The live one

/** The digits of live.py: images to learn from, and those on which a frame is measured. */
export async function readDigits({ shape, learned, labels, pixels, levels }) {
  const [bytes, size] = [await inflated(pixels), cells(shape)];
  const all = [...labels].map((label, n) => ({
    x: Float64Array.from(bytes.subarray(n * size, (n + 1) * size), (level) => level / levels), t: Number(label),
  }));
  return { shape, learned: all.slice(0, learned), probe: all.slice(learned) };
}

/** At which steps frames are taken, as in recording.py. */
export function schedule(steps, frames) {
  const all = range(frames).map((f) => Math.round(Math.expm1((f / (frames - 1)) * Math.log1p(steps))));
  return [...new Set(all)];
}

const rounded = (value, digits) => Number(value.toPrecision(digits));

/** A film that grows: `take()` adds the next frame, as long as there is `more`. */
export class LiveFilm {
  digits; image; span;

  constructor(settings, { steps, frames, image }, digits) {
    const { rate, batch, init, filters, seed } = settings;
    this.title = `rate ${rate}, batch ${batch}, ${init}, ${filters} filter${filters === 1 ? "" : "s"}, seed ${seed}`;
    this.about = `Live: Conv(${filters}, 3), ReLU, MaxPool(2), Flatten, Dense(10), SGD(${rate}) on ` +
      `${digits.learned.length} digits, measured on ${digits.probe.length} others.`;
    Object.assign(this, { digits, image, span: { loss: [0.2, 3] } }); // the axis does not jump
    this.wanted = schedule(steps, frames);
    this.learner = new Learner(settings, digits.learned, digits.shape);
    this.label = digits.probe[image].t;
    /** @type {any[]} */ this.frames = [];
    /** @type {number[]} */ this.step = [];
    /** @type {number[]} */ this.loss = [];
    /** @type {number[]} */ this.accuracy = [];
    /** @type {number[]} */ this.read = [];
    /** @type {number | null} */ this.broken = null;
    this.layers = ["conv1", "dense1"].map((name) =>
      ({ name, activations: /** @type {number[]} */ ([]), gradients: /** @type {number[]} */ ([]) }));
    this.take();
  }

  get more() {
    return this.broken === null && this.step.length < this.wanted.length;
  }

  // With `most` images at a time it takes several calls; whether the film has changed.
  take(most = Infinity) {
    const step = this.wanted[this.step.length];
    const until = this.learner.seen + most;
    let finite = true;
    while (this.learner.steps < step && finite) {
      if (this.learner.seen >= until) return false;
      finite = Number.isFinite(this.learner.step());
    }
    const frame = frameOf(this.learner, this.digits.probe, this.image);
    const numbers = [frame.loss, ...Object.values(frame.arrays).flatMap(({ values }) => values),
      ...Object.values(frame.sizes).flatMap(Object.values)];
    if (!finite || !numbers.every(Number.isFinite)) {
      this.broken = step;
      return true;
    }
    this.step.push(step);
    this.frames.push(frame);
    this.loss.push(rounded(frame.loss, 6));
    this.accuracy.push(rounded(frame.accuracy, 6));
    this.read.push(frame.read);
    for (const { name, ...sizes } of this.layers) {
      for (const part of Object.keys(sizes)) sizes[part].push(rounded(frame.sizes[name][part], 3));
    }
    return true;
  }

  at(name, f) {
    if (name === "image") {
      return { values: [...this.digits.probe[this.image].x], shape: this.digits.shape, limit: 1 };
    }
    const [layer, part] = name.split(".");
    const { arrays, shares } = this.frames[f];
    if (part in shares[layer]) return { values: shares[layer][part] };
    const { values, shape } = arrays[name];
    return { values, shape, limit: Math.max(...values.map(Math.abs)) };
  }

  largest(name) {
    return Math.max(...this.frames.map((_, f) => this.at(name, f).limit));
  }
}
