// The explorer of a training: everything it shows was recorded (recording.py has the format).

import { radios, slider } from "./controls.js";
import { element, write } from "./elements.js";
import { Grid } from "./grid.js";
import { keepKeys, whenChanged } from "./hearing.js";
import { player } from "./player.js";
import { statement } from "./statement.js";
import { initialize } from "./stills.js";
import { cells, InputError, range, repr } from "./sums.js";

const SVG = "http://www.w3.org/2000/svg";
const PARTS = { w: "kernel", a: "map", dz: "delta" }; // of a filter, from top to bottom
const KINDS = { w: "weight", a: "output", dz: "delta" };
const TILE = 64; // pixels

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const digits = (value) => String(Number(value.toPrecision(2)));
const percent = (share) => `${(100 * share).toFixed(1)}%`;

// ---- Recordings

// Adds to a recording `film.at(name, frame)`: numbers, shape without the frames, limit; and
// `film.largest(name)`: the largest limit.
async function unpack(recording) {
  const packed = Uint8Array.from(atob(recording.bytes), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
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

const lastUntil = (steps, step) => steps.findLastIndex((s) => s <= step);

function recordingsOf({ recordings, data }) {
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
function sharedFilters(films) {
  const counts = films.map(({ arrays }) => Object.fromEntries(
    arrays.filter(({ name }) => name.endsWith(".a"))
      .map(({ name, shape }) => [name.slice(0, -2), shape.at(-1)])));
  const names = Object.keys(counts[0]).filter((name) => counts.every((count) => name in count));
  return Object.fromEntries(
    names.map((name) => [name, Math.min(...counts.map((count) => count[name]))]));
}

function check(state) {
  const films = recordingsOf(state);
  const filters = sharedFilters(films);
  if (typeof state.layer !== "string" || !Object.hasOwn(filters, state.layer)) {
    throw new InputError(`layer is ${repr(state.layer)}; expected one of ${Object.keys(filters).join(", ")}`);
  }
  const most = {
    shown: films.length - 1, step: Math.max(...films.map(({ step }) => step.at(-1))),
    filter: filters[state.layer] - 1,
  };
  for (const [name, last] of Object.entries(most)) {
    const value = state[name];
    if (!Number.isInteger(value) || value < 0 || value > last) {
      throw new InputError(`${name} is ${repr(value)}; expected 0 to ${last}`);
    }
  }
}

// ---- Curves

// One number of both films over the steps, which are drawn as log(1 + step), like the frames.
class Curves {
  name; width; height; left; top; foot; low; high;

  constructor(name, onStep) {
    Object.assign(this, { name, width: 360, height: 190, left: 44, top: 12, foot: 34 });
    this.picture = svg("svg", { viewBox: `0 0 ${this.width} ${this.height}`, role: "img" });
    this.title = element("div", { class: "cnn-title" });
    this.element = element("div", { class: "cnn-curves" }, this.title, this.picture);
    const move = (event) => {
      const { left, width } = this.picture.getBoundingClientRect();
      const share = ((event.clientX - left) / width * this.width - this.left) / this.across;
      onStep(Math.expm1(Math.max(0, Math.min(1, share)) * Math.log1p(this.last)));
    };
    this.picture.addEventListener("pointerdown", move);
    this.picture.addEventListener("pointermove", (event) => event.buttons && move(event));
  }

  get across() { return this.width - this.left - 10; }
  x(step) { return this.left + this.across * Math.log1p(step) / Math.log1p(this.last); }
  y(value) {
    const place = (this.scale(value) - this.low) / (this.high - this.low);
    return this.height - this.foot - place * (this.height - this.foot - this.top);
  }

  draw(films, shown, last) {
    this.last = last;
    const values = films.flatMap((film) => film[this.name]).filter((value) => value > 0);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const loss = this.name === "loss";
    const powers = range(19).map((n) => 10 ** (n - 9));
    const wanted = most / least > 100 ? powers : powers.flatMap((p) => [p, 2 * p, 5 * p]);
    this.scale = loss ? (value) => Math.log10(Math.max(value, 1e-9)) : (value) => value;
    [this.low, this.high] = loss ? [least / 1.5, most * 1.5].map(this.scale) : [0, 1];
    const ticks = loss ? wanted.filter((v) => v >= least / 1.5 && v <= most * 1.5) : [0, 0.5, 1];
    const bottom = this.height - this.foot;
    const text = (x, y, anchor, words) => svg("text", { x, y, "text-anchor": anchor }, words);
    const across = ticks.flatMap((value) => [
      svg("path", { class: "rule", d: `M${this.left} ${this.y(value)}H${this.width - 10}` }),
      text(this.left - 5, this.y(value) + 4, "end", loss ? digits(value) : `${100 * value}%`),
    ]);
    const steps = [0, ...powers.filter((p) => p >= 1 && p <= last)];
    const along = steps.map((step) => text(this.x(step), bottom + 15, "middle", String(step)));
    const lines = films.map((film, n) => svg("path", {
      class: n === shown ? "line" : "line other",
      d: film.step.map((s, f) => `${f ? "L" : "M"}${this.x(s)} ${this.y(film[this.name][f])}`).join(""),
    }));
    this.rod = svg("path", { class: "rod" });
    this.dots = films.map((_, n) => (n === shown
      ? svg("circle", { r: 5, class: "dot" })
      : svg("rect", { x: -4, y: -4, width: 8, height: 8, class: "dot other" })));
    this.picture.replaceChildren(...across, ...along,
      text(this.left + this.across / 2, this.height - 4, "middle", "step"),
      this.rod, ...lines, ...this.dots);
  }

  mark(films, frames, shown, say) {
    const now = films.map((film, n) => say(film[this.name][frames[n]]));
    write(this.title, `${this.name} ${now[shown]}`);
    const ends = films.map((film, n) => `${film.title}: ${say(film[this.name][0])} at first, `
      + `${now[n]} at step ${film.step[frames[n]]}, ${say(film[this.name].at(-1))} at the end`);
    this.picture.setAttribute("aria-label", `${this.name} over the steps. ${ends.join(". ")}`);
    films.forEach((film, n) => {
      const [x, y] = [this.x(film.step[frames[n]]), this.y(film[this.name][frames[n]])];
      this.dots[n].setAttribute("transform", `translate(${x} ${y})`);
      if (n === shown) this.rod.setAttribute("d", `M${x} ${this.top}V${this.height - this.foot}`);
    });
  }
}

// ---- Pictures

// Channels of a kernel (U, V, C) side by side in a square, with gaps of null; a map has one.
function tiled(values, [height, width, channels]) {
  const columns = Math.ceil(Math.sqrt(channels));
  const [H, W] = [Math.ceil(channels / columns) * (height + 1) - 1, columns * (width + 1) - 1];
  const rows = range(H).map(() => Array(W).fill(null));
  values.forEach((value, n) => {
    const c = n % channels;
    const at = (n - c) / channels;
    const top = Math.floor(c / columns) * (height + 1);
    rows[top + Math.floor(at / width)][(c % columns) * (width + 1) + (at % width)] = value;
  });
  return rows;
}

// Grey from black, 0, to white, the limit; or signed: from blue through white, 0, to red. A dash
// marks the negative cells (above a tenth of the limit), for eyes that do not tell red from blue.
function paintPicture(canvas, rows, limit, signed, size = TILE) {
  const side = Math.max(1, Math.floor(size / Math.max(rows.length, rows[0].length)));
  const [width, height] = [side * rows[0].length, side * rows.length];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.dataset.side = side; // of a cell
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  rows.forEach((row, r) => row.forEach((value, c) => {
    if (value === null) return;
    const share = limit ? Math.min(1, Math.abs(value) / limit) : 0;
    const full = !signed ? [255, 255, 255] : value < 0 ? [33, 102, 172] : [178, 24, 43];
    const none = signed ? 255 : 0;
    context.fillStyle = `rgb(${full.map((part) => Math.round(none + share * (part - none)))})`;
    context.fillRect(c * side, r * side, side, side);
    if (!signed || value >= 0 || share < 0.1) return;
    const thick = Math.max(1, Math.round(side / 8));
    context.fillStyle = share > 0.5 ? "#fff" : "#1a1a1a";
    context.fillRect((c + 0.25) * side, (r + 0.5) * side - thick / 2, side / 2, thick);
  }));
}

// A histogram: the first bar, hollow, are the zeros; the others are half decades from 1e-8 to 1e4.
class Bars {
  constructor(kind) {
    this.path = svg("path", { class: kind });
    this.zeros = svg("path", { class: `${kind} zeros` });
    /** @type {[number, string][]} */
    const marks = [[0, "10⁻⁸"], [8, "10⁻⁴"], [16, "1"], [24, "10⁴"]];
    this.text = element("span");
    this.element = element("td", {},
      svg("svg", { viewBox: "0 0 170 54", "aria-hidden": "true" }, this.path, this.zeros,
        svg("path", { class: "axis", d: `M1 40H157${marks.map(([n]) => `M${12 + 6 * n} 40v3`)}` }),
        ...marks.map(([n, text]) =>
          svg("text", { x: 12 + 6 * n, y: 53, "text-anchor": "middle" }, text))),
      this.text);
  }

  draw(shares, size) {
    const [zeros, ...others] = shares;
    const bar = (x, share, width) =>
      (share > 0 ? `M${x} 40v${-38 * Math.sqrt(share)}h${width}V40z` : "");
    this.zeros.setAttribute("d", bar(2, zeros, 7));
    this.path.setAttribute("d", others.map((share, n) => bar(12 + 6 * n, share, 5)).join(""));
    // A share is known to half a per cent only; where a size is left, not all are zeros.
    const share = zeros > 0.994 && size > 0 ? "over 99" : Math.round(100 * zeros);
    write(this.text, `size\u00a0${size}, zeros\u00a0${share}%`);
  }
}

// ---- The explorer

async function render({ model, el }) {
  let films = [];
  let steps = []; // of all films, rising
  let lit = null; // the filter under the pointer
  let drawn = ""; // what the curves and the table were built for
  let bars = [];

  const change = (changes) => {
    Object.entries(changes).forEach(([name, value]) => model.set(name, value));
    model.save_changes();
  };
  const nearest = (step) => {
    const far = (s) => Math.abs(Math.log1p(s) - Math.log1p(step));
    change({ step: steps.reduce((best, s) => (far(s) < far(best) ? s : best)) });
  };
  const next = () => {
    const place = (lastUntil(steps, model.get("step")) + 1) % steps.length;
    change({ step: steps[place] });
    if (place === steps.length - 1) play.stop();
  };

  const said = statement();
  const play = player({ step: next, quiet: said.quiet, pause: 400 });
  const chooser = element("div");
  const along = slider({
    label: "training step", min: 0, max: 1, onChange: (n) => change({ step: steps[n] }),
  });
  const place = element("output", { class: "cnn-place" });
  const about = element("p", { class: "cnn-note" });
  const curves = [new Curves("loss", nearest), new Curves("accuracy", nearest)];
  const image = element("canvas", { role: "img" });
  const reading = element("span", { class: "cnn-reading" });
  const scales = element("p", { class: "cnn-note" });
  const layers = element("div");
  const tiles = new Grid({
    label: "", kind: "plain",
    onPin: ([, filter]) => change({ filter }),
    onLook: (cell) => { lit = cell && cell[1]; redraw(); },
  });
  const table = element("tbody");
  const caption = "How large the numbers are on the held-out images, sign aside. A bar is half a "
    + "decade, its height the root of its share; the hollow bar at the left counts the zeros. Size: "
    + "root of the mean square.";
  const head = ["layer", "activations", "gradients dw"].map((text) =>
    element("th", { scope: "col" }, text));
  keepKeys(el);
  el.classList.add("cnn-explorer", "cnn-training");
  el.append(
    element("div", { class: "cnn-controls" }, chooser),
    element("div", { class: "cnn-controls" }, play.element, along.element, place),
    about,
    element("div", { class: "cnn-grids" }, ...curves.map((curve) => curve.element)),
    said.element,
    element("div", { class: "cnn-grids" },
      element("div", { class: "cnn-half" },
        element("div", { class: "cnn-controls" }, image, reading, layers),
        tiles.element,
        scales),
      element("table", { class: "cnn-histograms cnn-half" }, element("caption", {}, caption),
        element("thead", {}, element("tr", {}, ...head)), table)),
  );

  let switches = [];
  let loads = 0;
  async function load() {
    const [recordings, data] = [model.get("recordings"), model.get("data")];
    if (recordings.some((film) => typeof film === "string" && !data[film])) return; // data follow
    const turn = ++loads;
    const unpacked = await Promise.all(recordingsOf({ recordings, data }).map(unpack));
    if (turn !== loads) return; // there are newer ones
    films = unpacked;
    steps = [...new Set(films.flatMap((film) => film.step))].sort((a, b) => a - b);
    along.element.querySelector("input").max = steps.length - 1;
    const which = radios({
      label: "Recording", options: films.map((film, n) => [n, film.title]),
      onChange: (shown) => change({ shown }),
    });
    const filters = sharedFilters(films);
    const layer = radios({
      label: "Layer", options: Object.keys(filters).map((name) => [name, name]),
      onChange: (name) =>
        change({ layer: name, filter: Math.min(model.get("filter"), filters[name] - 1) }),
    });
    switches = [[which, "shown"], [layer, "layer"]];
    chooser.replaceChildren(which.element);
    layers.replaceChildren(layer.element);
    drawn = "";
    redraw();
  }

  // What does not depend on the step.
  function build(film, shown) {
    curves.forEach((curve) => curve.draw(films, shown, steps.at(-1)));
    bars = film.layers.map(() => [new Bars("activations"), new Bars("gradients")]);
    table.replaceChildren(...film.layers.map(({ name }, n) => element("tr", {},
      element("th", { scope: "row" }, name), ...bars[n].map((bar) => bar.element))));
    const other = films[1 - shown];
    write(about, film.about + (other ? ` Dashed, with a square: ${other.title}.` : ""));
    const picture = film.at("image", 0);
    paintPicture(image, tiled(picture.values, picture.shape), picture.limit, false, 84);
    image.setAttribute("aria-label", `the image, a handwritten ${film.label}`);
  }

  function redraw() {
    const [shown, step, layer] = ["shown", "step", "layer"].map((name) => model.get(name));
    const film = films[shown];
    const count = film && sharedFilters(films)[layer];
    if (!count) return; // other recordings are on their way
    const filter = Math.min(model.get("filter"), count - 1); // a new one follows the layer
    if (drawn !== `${shown}`) build(film, shown);
    drawn = `${shown}`;
    const frames = films.map((each) => lastUntil(each.step, step));
    const f = frames[shown];
    switches.forEach(([control, name]) => control.set(model.get(name)));
    along.set(lastUntil(steps, step), `step ${film.step[f]}`);
    const ended = f === film.step.length - 1 && film.broken !== null
      ? ` Then it breaks: at step ${film.broken} numbers are no longer finite.` : "";
    write(place, `${film.step[f]} of ${film.step.at(-1)}`);
    curves[0].mark(films, frames, shown, String);
    curves[1].mark(films, frames, shown, percent);
    write(reading, `the image, a ${film.label}, is read as ${film.read[f]}`);
    film.layers.forEach(({ name, ...sizes }, n) => bars[n].forEach((bar, column) => {
      const part = ["activations", "gradients"][column];
      bar.draw(film.at(`${name}.${part}`, f).values, sizes[part][f]);
    }));
    const spans = drawTiles(film, f, layer, count, filter);
    said.say(
      `${film.title}, step ${film.step[f]}: loss ${film.loss[f]}, `
      + `accuracy ${percent(film.accuracy[f])}; the ${film.label} is read as ${film.read[f]}.\n`
      + `${layer}, filter ${filter}: weights ${spans.w}, activations ${spans.a}, `
      + `deltas ${spans.dz}.${ended}`);
  }

  // The kernels, maps and deltas of a layer; returns what those of the chosen filter span.
  function drawTiles(film, f, layer, count, filter) {
    const spans = {};
    const pictures = Object.keys(PARTS).map((part) => {
      const { values, shape, limit } = film.at(`${layer}.${part}`, f);
      const kernel = part === "w";
      const size = kernel ? cells(shape.slice(1)) : shape[2];
      const most = kernel ? film.largest(`${layer}.w`) : limit;
      return range(count).map((k) => {
        const own = kernel
          ? values.slice(k * size, (k + 1) * size) : values.filter((_, n) => n % size === k);
        const [least, largest] = [Math.min(...own), Math.max(...own)].map(digits);
        const span = least === largest ? `all ${least}` : `from ${least} to ${largest}`;
        if (k === filter) spans[part] = span;
        const rows = tiled(own, kernel ? shape.slice(1) : [shape[0], shape[1], 1]);
        return { rows, span, most, signed: part !== "a" || values.some((value) => value < 0) };
      });
    });
    const mark = (k) => [...(k === filter ? ["chosen"] : []), ...(k === lit ? ["partner"] : [])];
    const names = Object.entries(PARTS);
    tiles.draw(pictures.map((row, r) => row.map(({ span }, k) => ({
      text: "", kind: KINDS[names[r][0]], marks: mark(k), name: `${names[r][1]} ${k}, ${span}`,
    }))), {
      rows: names.map(([, name]) => `${name}s`), columns: range(count).map((k) => `filter ${k}`),
      label: `${layer}: its kernels, and the image's maps and deltas`,
    });
    pictures.forEach((row, r) => row.forEach(({ rows, most, signed }, k) => {
      const node = tiles.cells[r][k];
      const canvas = node.children[1] ?? node.appendChild(element("canvas"));
      paintPicture(canvas, rows, most, signed);
    }));
    if (tiles.chosen[1] !== filter) tiles.focus([tiles.chosen[0], filter], false);
    const [w, a, dz] = pictures.map(([{ most }]) => digits(most));
    write(scales, `Full colour: kernels ${w} (the largest of all steps), maps ${a}, deltas ${dz} `
      + "(of this step). Blue cells with a dash are negative, red ones positive.");
    return spans;
  }

  const off = whenChanged(model, ["shown", "step", "layer", "filter"], redraw);
  const offData = whenChanged(model, ["recordings", "data"], load);
  await load();
  return () => { play.stop(); off(); offData(); };
}

export default { initialize, render, check };
