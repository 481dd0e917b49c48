// The explorer of a whole network: both passes in the page, and the connections of any cell.

import { button, menu, radios, tick } from "./controls.js";
import { element, freshId, write } from "./elements.js";
import { keepKeys, whenChanged } from "./hearing.js";
import { statement } from "./statement.js";
import { initialize } from "./stills.js";
import {
  InputError, Window, cells, channelwise, conv, convDelta, factor, flatten, inside, layPool, maxPool,
  maxPoolDelta, products, range, shown, unflatten, weights,
} from "./sums.js";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BLANK = "A"; // an image of black pixels; "" stands for no drawing
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
function readImage(text) {
  const whole = text.replace(/\.(.)/g, (_, count) => "A".repeat(LETTERS.indexOf(count)));
  const levels = [...whole.padEnd(784, "A")].map((letter) => LETTERS.indexOf(letter));
  if (levels.length !== 784 || levels.includes(-1)) {
    throw new InputError("the drawing is no image of 28 by 28 pixels");
  }
  return Float32Array.from(levels, (level) => level / 63);
}

function writeImage(x) {
  const text = Array.from(x, (grey) => LETTERS[Math.round(63 * grey)]).join("").replace(/A+$/, "");
  return text.replace(/A{2,63}/g, (run) => `.${LETTERS[run.length]}`) || BLANK;
}

// ---- The two passes. maps[0] is the image, maps[n] what layers[n - 1] makes of maps[n - 1]; all
// are flat. A dense layer is a convolution with one input cell of many channels, one output cell
// and one weight between them: its table has a single row.

function buildLayers({ input_shape, layers, params }) {
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

const added = (values) => values.reduce((sum, value) => sum + value, 0);

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

function forwardPass(layers, image) {
  const maps = [image];
  for (const layer of layers) maps.push(KINDS[layer.kind].forward(layer, maps.at(-1)));
  return maps;
}

// deltas[n] is dE/dmaps[n], where the loss is E = -log y[target].
function backwardPass(layers, maps, target) {
  const y = maps.at(-1);
  const deltas = [y.map((share, k) => (k === target ? -1 / share : 0))];
  for (let n = layers.length; n > 0; n--) {
    deltas.unshift(KINDS[layers[n - 1].kind].backward(layers[n - 1], deltas[0], maps[n]));
  }
  return { deltas, loss: -Math.log(y[target]) };
}

// ---- Connections. `side` says what `cell` is, by its place in a row of the table: 0 an output of
// the layer, 2 an input. `at` is the partner on the other side, `factor` is d output / d input.

function connectionsOf({ kind, rows, w, winners }, side, cell, a) {
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
function reach({ kind, rows, w, from, shape }, side, marked) {
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

// ---- What is said about a cell: `passes` holds layers, maps, deltas, target, and label(n, cell)

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
    `${factor(term.factor)}*${factor(value(term.at))} = ${shown(product(term))}${to(term.at)}`);
  const others = sorted.slice(FEW);
  return others.length ? [...lines, `  and ${rest(others.length, others.map(product))}`] : lines;
}

const summed = (count, products) => `${counted(count, "smaller one")}: ${shown(added(products))}`;

function tellForward({ layers, maps, label }, n, cell) {
  const me = `${label(n, cell)} = `;
  const value = shown(maps[n][cell]);
  if (n === 0) return [`${me}${value}, a grey level: 0 is black, 1 is white.`];
  const [layer, x] = [layers[n - 1], maps[n - 1]];
  const terms = connectionsOf(layer, 0, cell, maps[n]);
  const partner = (at) => label(n - 1, at);
  if (layer.kind in FORMULAS) {
    const met = layer.kind === "MaxPool" ? terms.map(({ at }) => at) : [cell];
    const formula = (text) => FORMULAS[layer.kind].replace("?", met.map(text).join(", "));
    const number = layer.kind === "Sigmoid" ? factor : shown; // it puts a minus before it
    return [me + formula(partner), `  = ${formula((at) => number(x[at]))} = ${value}`];
  }
  return [`${me}${value}, the sum of ${counted(terms.length, "product")} and a bias:`,
    ...writtenProducts(terms, { partner, value: (at) => x[at], rest: summed }),
    `  and ${shown(layer.b?.[cell % layer.b.length] ?? 0)}, the bias`];
}

function tellBackward({ layers, maps, deltas, target, label }, n, cell) {
  const me = `d${label(n, cell)}`;
  const delta = deltas[n][cell];
  const lines = [];
  if (n < layers.length) {
    const terms = connectionsOf(layers[n], 2, cell, maps[n + 1]);
    lines.push(`${me} = ${shown(delta)}: it owes the sum of ${counted(terms.length, "product")},`,
      ...writtenProducts(terms, {
        partner: (at) => `d${label(n + 1, at)}`, value: (at) => deltas[n + 1][at], rest: summed,
      }));
  } else if (cell === target) {
    lines.push(`${me} = -1/${label(n, cell)} = ${shown(delta)}: the loss is -log of it.`);
  } else lines.push(`${me} = 0: the loss reads the probability of class ${target} alone.`);
  if (n === 0) return lines;
  const sent = connectionsOf(layers[n - 1], 0, cell, maps[n]);
  return [...lines, `and sends on ${counted(sent.length, "product")}:`, ...writtenProducts(sent, {
    partner: () => me, value: () => delta, to: (at) => ` to ${label(n - 1, at)}`,
    rest: (count) => `smaller ones to ${counted(count, "other cell")}`,
  })];
}

// The receptive field: the rows and columns of the image that are marked.
function tellField(marked) {
  const places = range(784).filter((p) => marked[p]).map((p) => unflatten(p, [28, 28]));
  const [rows, columns] = [0, 1].map((axis) => places.map((place) => place[axis]))
    .map((along) => `${Math.min(...along)} to ${Math.max(...along)}`);
  const seen = counted(places.length, "cell");
  return `It sees ${seen} of the image: rows ${rows}, columns ${columns}.`;
}

// ---- The maps of a layer as pictures, in one grid

// Blue below 0, grey at 0, yellow above; the brighter one is the larger number in black and white.
const STOPS = [[0, 34, 78], [124, 123, 120], [254, 232, 56]];
const DENSITY = 2; // pixels of a canvas for one of the page: lines stay sharp

const clamp = (n, top) => Math.max(0, Math.min(n, top));

function shade(share) { // of -1..1
  const n = Number(share >= 0);
  return STOPS[n].map((low, part) => low + (share + 1 - n) * (STOPS[n + 1][part] - low));
}

// A dark line with a light one on it is seen on any ground.
function twice(pen, wide, stroke) {
  for (const [strokeStyle, lineWidth] of [["#000", wide], ["#fff", wide / 2]]) {
    Object.assign(pen, { strokeStyle, lineWidth });
    stroke(lineWidth < wide);
  }
}

// A column counts through all pictures. A long row of numbers is one picture, broken into lines.
class Sheet {
  name; shape; rows; columns; count; size; events; flat;

  constructor(name, shape, events) {
    const fold = range(shape[0] > 100 ? 71 : 21).findLast((n) => shape[0] % n === 0);
    const [rows, columns, count] = shape.length > 1 ? shape : [shape[0] / fold, fold, 1];
    const size = shape.length === 1 ? Math.floor(280 / columns) : columns > 20 ? 7 : 5;
    const [width, height, id] = [columns * size, rows * size, freshId("sheet")];
    Object.assign(this, { name, shape, rows, columns, count, size, events, flat: 0 });
    this.canvases = range(count).map(() => element("canvas", {
      width: width * DENSITY, height: height * DENSITY, "aria-hidden": true,
      style: `width: ${width}px; height: ${height}px`,
    }));
    this.pictures = range(count).map(() => element("canvas", { width: columns, height: rows }));
    this.cell = element("div", { // the only one of the grid on the page: it is spoken
      role: "gridcell", tabindex: 0, style: `width: ${size}px; height: ${size}px`,
    });
    this.row = element("div", { role: "row" }, this.cell);
    this.limit = element("span");
    const grid = element("div", {
      role: "grid", "aria-labelledby": id, "aria-rowcount": rows, "aria-colcount": columns * count,
    }, this.row);
    this.element = element("section", { class: "cnn-layer" },
      element("div", { class: "cnn-title", id }, `${name} ${shape.join(" × ")} `, this.limit),
      element("div", {
        class: "cnn-sheet",
        onpointermove: (event) => events.hover(this.under(event)),
        onpointerleave: () => events.hover(null),
        onclick: (event) => this.under(event) !== null && events.choose(this.under(event), true),
        onkeydown: (event) => this.press(event),
      }, ...this.canvases, grid));
  }

  // The cell under a pointer.
  under({ target, offsetX, offsetY }) {
    const map = this.canvases.indexOf(target);
    const along = (offset, size) => clamp(Math.floor(offset / this.size), size - 1);
    const [r, c] = [along(offsetY, this.rows), along(offsetX, this.columns)];
    return map < 0 ? null : this.flatOf(r, c, map);
  }

  flatOf(r, c, map) {
    return (r * this.columns + c) * this.count + map;
  }

  placeOf(flat) {
    return unflatten(flat, [this.rows, this.columns, this.count]);
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [r, within, map] = this.placeOf(this.flat);
    const [c, last] = [map * this.columns + within, this.columns * this.count - 1];
    const to = {
      ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1],
      PageUp: [r, c - this.columns], PageDown: [r, c + this.columns], Home: [r, 0], End: [r, last],
    }[event.key];
    const acts = [" ", "Delete"].includes(event.key);
    if (!to && !acts) return;
    const [row, column] = to ? [clamp(to[0], this.rows - 1), clamp(to[1], last)] : [r, c];
    const next = Math.floor(column / this.columns);
    this.events.choose(this.flatOf(row, column % this.columns, next));
    if (acts || event.shiftKey) this.events.act([row, column], event.key === "Delete");
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's own shortcuts must not see it
  }

  fill(values, grey) {
    const limit = Math.max(...values.map(Math.abs)) || 1;
    write(this.limit, `±${shown(Number(limit.toPrecision(2)))}`);
    this.pictures.forEach((picture, map) => {
      const image = new ImageData(this.columns, this.rows);
      for (let place = 0; place < this.rows * this.columns; place++) {
        const share = values[place * this.count + map] / limit;
        image.data.set([...(grey ? Array(3).fill(255 * share) : shade(share)), 255], 4 * place);
      }
      picture.getContext("2d").putImageData(image, 0, 0);
    });
  }

  // A ring for one cell, a line around those it comes from, a dashed one around those it goes to.
  mark({ ring, solid, dashed }) {
    const unit = this.size * DENSITY;
    this.canvases.forEach((canvas, map) => {
      const pen = canvas.getContext("2d");
      pen.imageSmoothingEnabled = false;
      pen.drawImage(this.pictures[map], 0, 0, canvas.width, canvas.height);
      if (solid) this.surround(pen, map, solid, []);
      if (dashed) this.surround(pen, map, dashed, [5, 5]);
      if (ring === undefined || ring % this.count !== map) return;
      const [r, c] = this.placeOf(ring);
      twice(pen, 8, () => pen.strokeRect(c * unit - 2, r * unit - 2, unit + 4, unit + 4));
    });
  }

  surround(pen, map, marked, dash) {
    const has = (r, c) => 0 <= c && c < this.columns && marked[this.flatOf(r, c, map)] === 1;
    const { width, height } = pen.canvas;
    const unit = this.size * DENSITY;
    const path = new Path2D();
    const line = (r, c, toR, toC) => {
      path.moveTo(c * unit, r * unit);
      path.lineTo(toC * unit, toR * unit);
    };
    for (let r = 0; r <= this.rows; r++) {
      for (let c = 0; c <= this.columns; c++) {
        if (has(r, c) !== has(r - 1, c)) line(r, c, r, c + 1);
        if (has(r, c) !== has(r, c - 1)) line(r, c, r + 1, c);
      }
    }
    pen.save();
    pen.transform(1 - 2 / width, 0, 0, 1 - 2 / height, 1, 1); // lines on the edge stay whole
    twice(pen, dash.length ? 4 : 6, (light) => {
      pen.setLineDash(light ? dash : []);
      pen.stroke(path);
    });
    pen.restore();
  }

  // Where the cell that Tab reaches lies on the page.
  measure() {
    const [r, c, map] = this.placeOf(this.flat);
    const { offsetLeft, offsetTop } = this.canvases[map];
    return `translate(${offsetLeft + c * this.size}px, ${offsetTop + r * this.size}px)`;
  }

  // Moves it there, and writes what is said of it.
  point(place, value, chosen) {
    const [r, c, map] = this.placeOf(this.flat);
    this.cell.style.transform = place;
    this.row.setAttribute("aria-rowindex", r + 1);
    this.cell.setAttribute("aria-colindex", map * this.columns + c + 1);
    this.cell.setAttribute("aria-selected", String(chosen));
    const name = `${this.name}[${unflatten(this.flat, this.shape)}]`;
    this.cell.setAttribute("aria-label", `${name}, ${value}`);
  }
}

// ---- The explorer

const LEGEND = "Blue is below 0, grey 0, yellow above; strongest at the number beside a name. " +
  "A solid line surrounds the cells that the ringed one comes from, a dashed line those it " +
  "goes to. Keys: arrows, Page Up and Down; to draw Space, Shift with arrows, Delete.";

// The shape of each map by the name of what makes it.
const shapesOf = ({ input_shape, layers }) =>
  Object.fromEntries([["image", input_shape], ...layers.map(({ name, shape }) => [name, shape])]);

function check({ lens, digit, drawing, target, cell, data }) {
  const [layer, ...index] = [cell].flat();
  const shapes = shapesOf(data);
  const shape = typeof layer === "string" && Object.hasOwn(shapes, layer) ? shapes[layer] : null;
  const right = {
    lens: ["forward", "backward"].includes(lens),
    digit: Number.isInteger(digit) && Boolean(data.digits[digit]),
    target: target === null || range(10).includes(target),
    cell: shape?.length === index.length && index.every(Number.isInteger) && inside(index, shape),
    drawing: ["string", "number"].includes(typeof drawing), // digits alone look like a number
  };
  const wrong = Object.keys(right).find((name) => !right[name]);
  const said = { lens, digit, target, cell, drawing };
  if (wrong) throw new InputError(`there is no ${wrong} ${String(said[wrong]).slice(0, 60)}`);
  readImage(String(drawing));
}

function render({ model, el }) {
  keepKeys(el);
  el.classList.add("cnn-explorer", "cnn-network");
  const data = model.get("data");
  const layers = buildLayers(data);
  const [names, shapes] = [Object.keys(shapesOf(data)), Object.values(shapesOf(data))];
  const label = (n, flat) => `${names[n]}[${unflatten(flat, shapes[n])}]`;
  const passes = /** @type {any} */ ({ layers, label });
  let hovered = null; // like the chosen cell: { n, flat }

  const set = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const backward = () => model.get("lens") === "backward";
  const values = () => (backward() ? passes.deltas : passes.maps);
  const pixels = () => String(model.get("drawing")) || data.digits[model.get("digit")].pixels;
  const chosen = () => {
    const [name, ...index] = model.get("cell");
    const n = names.indexOf(name);
    return { n, flat: flatten(index, shapes[n]) };
  };

  const lens = radios({
    label: "Lens", options: ["forward", "backward"].map((word) => [word, word]),
    onChange: (value) => set({ lens: value }),
  });
  const digit = menu({
    label: "Digit",
    options: [...data.digits.map(({ label: own, read }, n) =>
      [n, read === own ? `${own}` : `${own}, read as ${read}`]), [-1, "a drawing"]],
    onChange: (n) => set({ digit: Math.max(n, 0), drawing: n < 0 ? BLANK : "", target: null }),
  });
  const target = menu({
    label: "Target",
    options: [[null, "the label, or what is read"], ...range(10).map((k) => [k, `${k}`])],
    onChange: (value) => set({ target: value }),
  });
  let drawing = false;
  const pencil = tick({
    label: "Draw",
    onChange(on) {
      drawing = on;
      paper.style.touchAction = on ? "none" : "";
    },
  });
  const clear = button("Clear", () => set({ drawing: BLANK, target: null }));

  // A soft round pen, or an eraser, goes along a line of the image.
  function ink(from, to = from, erase = false) {
    const [height, width] = [to[0] - from[0], to[1] - from[1]];
    const x = readImage(pixels()).map((grey, p) => {
      const [r, c] = [Math.floor(p / 28) - from[0], (p % 28) - from[1]];
      const near = clamp((r * height + c * width) / (height ** 2 + width ** 2 || 1), 1);
      const share = clamp(1.8 - Math.hypot(r - near * height, c - near * width), 1);
      return erase ? Math.min(grey, 1 - share) : Math.max(grey, share);
    });
    if (!model.get("drawing")) model.set("target", null);
    model.set("drawing", writeImage(x));
  }

  const sheets = names.map((name, n) => new Sheet(name, shapes[n], {
    choose(flat, pointed = false) {
      if (!(pointed && drawing && n === 0)) set({ cell: [name, ...unflatten(flat, shapes[n])] });
    },
    hover(flat) {
      const now = flat === null || (drawing && n === 0) ? null : { n, flat };
      if (now?.n === hovered?.n && now?.flat === hovered?.flat) return;
      hovered = now;
      said.quiet(now !== null);
      show();
    },
    act(place, erase) {
      if (!drawing || n > 0) return;
      ink(place, place, erase);
      model.save_changes();
    },
  }));
  const [paper] = sheets[0].canvases;
  let last = null; // place of the pen while it writes
  const stroke = (event) => {
    const next = [event.offsetY, event.offsetX].map((n) => n / sheets[0].size - 0.5);
    ink(last ?? next, next);
    last = next;
  };
  paper.addEventListener("pointerdown", (event) => {
    if (!drawing) return;
    paper.setPointerCapture(event.pointerId);
    stroke(event);
  });
  paper.addEventListener("pointermove", (event) => last && stroke(event));
  paper.addEventListener("lostpointercapture", () => { last = null; model.save_changes(); });

  const bars = range(10).map(() => [element("span", { class: "cnn-bar" }), element("span")]);
  const loss = element("p", { class: "cnn-loss" });
  const said = statement();
  const parts = element("div", { class: "cnn-parts" },
    element("div", {}, sheets[0].element,
      element("ol", { class: "cnn-classes", "aria-label": "Probability of each class" },
        ...bars.map((bar) => element("li", {}, ...bar))), loss),
    element("div", { class: "cnn-layers" }, ...sheets.slice(1).map((sheet) => sheet.element),
      element("p", { class: "cnn-legend" }, LEGEND)));
  el.append(element("div", { class: "cnn-controls" },
    lens.element, digit.element, pencil.element, clear, target.element), parts, said.element);

  function compute() {
    passes.maps = forwardPass(layers, readImage(pixels()));
    const y = passes.maps.at(-1);
    const read = y.indexOf(Math.max(...y));
    const own = model.get("drawing") ? read : data.digits[model.get("digit")].label;
    passes.target = model.get("target") ?? own;
    Object.assign(passes, backwardPass(layers, passes.maps, passes.target));
    lens.set(model.get("lens"));
    digit.set(model.get("drawing") ? -1 : model.get("digit"));
    target.set(model.get("target"));
    sheets.forEach((sheet, n) => sheet.fill(values()[n], n === 0 && !backward()));
    bars.forEach(([bar, words], k) => {
      const marks = [k === read && "read", k === passes.target && "target"].filter(Boolean);
      bar.style.width = `${100 * y[k]}%`;
      write(words, `${k}: ${y[k].toFixed(3)} ${marks.join(", ")}`);
    });
    write(loss, `Loss E = -log ${shown(y[passes.target])} = ${shown(passes.loss)}`);
    show();
  }

  // The chosen cell, or the one under the pointer: what it comes from, and what it goes to.
  function show() {
    const fixed = chosen();
    const { n, flat } = hovered ?? fixed;
    const looks = names.map(() => /** @type {any} */ ({}));
    const one = new Uint8Array(cells(shapes[n]));
    one[flat] = 1;
    looks[n].ring = flat;
    let met = one;
    for (let m = n; m > 0; m--) looks[m - 1].solid = met = reach(layers[m - 1], 0, met);
    met = one;
    for (let m = n; m < layers.length; m++) looks[m + 1].dashed = met = reach(layers[m], 2, met);
    sheets[fixed.n].flat = fixed.flat;
    const places = sheets.map((sheet) => sheet.measure()); // all before the page changes again
    sheets.forEach((sheet, m) => {
      sheet.mark(looks[m]);
      sheet.point(places[m], shown(values()[m][sheet.flat]), m === fixed.n);
    });
    const lines = (backward() ? tellBackward : tellForward)(passes, n, flat);
    said.say([...lines, ...(n > 0 ? [tellField(looks[0].solid)] : [])].join("\n"));
  }

  const resized = new ResizeObserver(show); // also when it comes onto the page
  resized.observe(parts);
  const stops = [
    () => resized.disconnect(),
    whenChanged(model, ["digit", "drawing", "target", "lens"], compute),
    whenChanged(model, ["cell"], () => { hovered = null; said.quiet(false); show(); }),
  ];
  compute();
  return () => stops.forEach((stop) => stop());
}

export default { initialize, render, check };
