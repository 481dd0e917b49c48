// The explorer of a whole network: both passes in the page, and the connections of any cell.

import { button, menu, radios, tick } from "./controls.js";
import { Desk } from "./desk.js";
import { element, write } from "./elements.js";
import { keepKeys, once, whenChanged } from "./hearing.js";
import {
  BLANK, backwardPass, buildLayers, forwardPass, reach, readImage, writeImage,
} from "./network_passes.js";
import { fieldWords, tellBackward, tellField, tellForward, tellRule, told } from "./network_words.js";
import { player } from "./player.js";
import { Sheet, clamp } from "./sheet.js";
import { fold, folds } from "./stage.js";
import { statement } from "./statement.js";
import { initialize } from "./stills.js";
import { InputError, cells, flatten, inside, range, shown, unflatten } from "./sums.js";
import { openInSight } from "./travel.js";

const TRAITS = ["lens", "digit", "drawing", "target", "cell"];
const LENSES = { forward: "forward", backward: "backward", field: "receptive field" };
const TASK = "Draw on the image; click any cell and see what it comes from and goes to.";
const FIELD = "Click a cell of any layer: what it sees of the image is framed. Each layer has its size, jump and start.";
const LEGEND = "Blue is below 0, grey 0, yellow above; strongest at the number beside a name. " +
  "A solid line surrounds the cells that the ringed one comes from, a dashed line those it " +
  "goes to. The mouse over a cell shows its sum; a click, a tap or an arrow key keeps it. On the image a drag " +
  "draws. Keys: arrows, Page Up and Down; on the image Space and Shift with an arrow draw, Delete rubs out.";

// The shape of each map by the name of what makes it.
const shapesOf = ({ input_shape, layers }) =>
  Object.fromEntries([["image", input_shape], ...layers.map(({ name, shape }) => [name, shape])]);

function check(state) {
  const { lens, digit, drawing, target, cell, data } = state;
  const [layer, ...index] = [cell].flat();
  const shapes = shapesOf(data);
  const shape = typeof layer === "string" && Object.hasOwn(shapes, layer) ? shapes[layer] : null;
  const right = {
    lens: Object.hasOwn(LENSES, String(lens)) && typeof lens === "string",
    digit: Number.isInteger(digit) && Boolean(data.digits[digit]),
    target: target === null || range(10).includes(target),
    cell: shape?.length === index.length && index.every(Number.isInteger) && inside(index, shape),
    drawing: ["string", "number"].includes(typeof drawing), // digits alone look like a number
  };
  const wrong = Object.keys(right).find((name) => !right[name]);
  const said = { lens, digit, target, cell, drawing };
  if (wrong) throw new InputError(`there is no ${wrong} ${String(said[wrong]).slice(0, 60)}`);
  readImage(String(drawing));
  return state;
}

function render({ model, el }) {
  keepKeys(el);
  el.classList.add("cnn-explorer", "cnn-network");
  const data = model.get("data");
  const layers = buildLayers(data);
  const [names, shapes] = [Object.keys(shapesOf(data)), Object.values(shapesOf(data))];
  const label = (n, flat) => `${names[n]}[${unflatten(flat, shapes[n])}]`;
  const passes = /** @type {any} */ ({ layers, label });
  let computed = ""; // what the passes were computed for
  let hovered = null; // like the chosen cell: { n, flat }
  let pen = null; // while it writes: its place, and the drawing so far
  let drew = false; // the click that ends a stroke chooses no cell
  let moment = null; // of a pass that is played: how many maps are shown

  const said = statement();
  const draw = once(() => redraw());
  const desk = new Desk({
    model, names: TRAITS, walk: "cell", told: said.refuse,
    look: (state) => check({ ...state, data }),
    changed: () => { hovered = null; draw(); },
  });
  const change = (changes) => {
    play.stop();
    moment = null;
    desk.change(changes);
  };
  const backward = () => model.get("lens") === "backward";
  const field = () => model.get("lens") === "field";
  const fields = [{ size: [1, 1], jump: [1, 1], start: [0, 0] }, ...layers.map(({ name }) => data.fields[name])];
  const values = () => (backward() ? passes.deltas : passes.maps);
  const pixels = () => pen?.drawing ?? (String(model.get("drawing")) || data.digits[model.get("digit")].pixels);
  const chosen = () => {
    const [name, ...index] = model.get("cell");
    const n = names.indexOf(name);
    return { n, flat: flatten(index, shapes[n]) };
  };

  // ---- Controls

  const play = player({
    quiet: said.quiet, pause: 500, count: () => names.length,
    pass: (n) => { moment = n; veil(); },
    step() {
      moment = moment === null ? 0 : moment + 1;
      if (moment === names.length) {
        moment = null;
        play.stop();
      }
      veil();
    },
  });
  const lens = radios({
    label: "Lens", options: Object.entries(LENSES),
    onChange: (value) => change({ lens: value }),
  });
  const digit = menu({
    label: "Digit",
    options: [...data.digits.map(({ label: own, read }, n) =>
      [n, read === own ? `${own}` : `${own}, read as ${read}`]), [-1, "a drawing"]],
    onChange: (n) => change({ digit: Math.max(n, 0), drawing: n < 0 ? BLANK : "", target: null }),
  });
  const target = menu({
    label: "Target",
    options: [[null, "the label, or what is read"], ...range(10).map((k) => [k, `${k}`])],
    onChange: (value) => change({ target: value }),
  });
  let erases = false;
  const rubber = tick({ label: "Rub out", onChange: (on) => { erases = on; } });
  const clear = button("Clear", () => change({ drawing: BLANK, target: null }));
  const undo = button("Undo", () => desk.undo());

  // ---- Drawing: a soft round pen, or an eraser, goes along a line of the image

  function inked(text, from, to, erase) {
    const [height, width] = [to[0] - from[0], to[1] - from[1]];
    return writeImage(readImage(text).map((grey, p) => {
      const [r, c] = [Math.floor(p / 28) - from[0], (p % 28) - from[1]];
      const near = clamp((r * height + c * width) / (height ** 2 + width ** 2 || 1), 1);
      const share = clamp(1.8 - Math.hypot(r - near * height, c - near * width), 1);
      return erase ? Math.min(grey, 1 - share) : Math.max(grey, share);
    }));
  }
  const keep = (drawing) => change(model.get("drawing") ? { drawing } : { drawing, target: null });

  const sheets = names.map((name, n) => new Sheet(name, shapes[n], {
    choose(flat) {
      if (drew) drew = false;
      else if (String(model.get("cell")) !== String([name, ...unflatten(flat, shapes[n])])) {
        change({ cell: [name, ...unflatten(flat, shapes[n])] });
      } else {
        hovered = null;
        draw();
      }
    },
    hover(flat) {
      if (pen) return;
      const now = flat === null ? null : { n, flat };
      if (now?.n === hovered?.n && now?.flat === hovered?.flat) return;
      if (play.opening) play.finish();
      hovered = now;
      said.quiet(now !== null);
      show();
    },
    act(place, erase) {
      if (n === 0) keep(inked(pixels(), place, place, erase));
    },
  }));
  const [paper] = sheets[0].canvases;
  paper.style.touchAction = "none"; // a finger draws there
  const under = (event) => [event.offsetY, event.offsetX].map((n) => n / sheets[0].size - 0.5);
  paper.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    drew = false;
    pen = { at: under(event), drawing: undefined };
    paper.setPointerCapture(event.pointerId);
  });
  paper.addEventListener("pointermove", (event) => {
    if (!pen) return;
    const to = under(event);
    if (pen.drawing === undefined && Math.hypot(to[0] - pen.at[0], to[1] - pen.at[1]) < 1) return; // a click
    pen = { at: to, drawing: inked(pixels(), pen.at, to, erases) };
    draw();
  });
  paper.addEventListener("lostpointercapture", () => {
    const drawing = pen?.drawing;
    pen = null;
    if (drawing === undefined) return;
    drew = true;
    keep(drawing);
  });

  // ---- The picture

  const title = element("p", { class: "cnn-name" });
  const task = element("p", { class: "cnn-task" });
  const bars = range(10).map(() => [element("span", { class: "cnn-bar" }), element("span")]);
  const classes = element("ol", { class: "cnn-classes", "aria-label": "Probability of each class" },
    ...bars.map((bar) => element("li", {}, ...bar)));
  const loss = element("p", { class: "cnn-loss" });
  const parts = element("div", { class: "cnn-parts" },
    element("div", {}, sheets[0].element, classes, loss),
    element("div", { class: "cnn-layers" }, ...sheets.slice(1).map((sheet) => sheet.element), said.element));
  el.append(
    element("div", { class: "cnn-head" }, title, task),
    element("div", { class: "cnn-controls" }, lens.element, digit.element, target.element, rubber.element, clear),
    element("div", { class: "cnn-controls" }, play.element, undo,
      button("Reset", () => { play.stop(); moment = null; desk.reset(); })),
    parts, folds(fold("Signs and gestures", element("p", { class: "cnn-hint" }, LEGEND, " ", data.about))),
  );

  function compute() {
    const [text, wanted] = [pixels(), model.get("target")];
    const key = JSON.stringify([text, wanted, model.get("lens"), model.get("drawing") === ""]);
    if (key === computed) return;
    computed = key;
    passes.maps = forwardPass(layers, readImage(text));
    const y = passes.maps.at(-1);
    const read = y.indexOf(Math.max(...y));
    const drawn = pen?.drawing !== undefined || model.get("drawing") !== "";
    const own = drawn ? read : data.digits[model.get("digit")].label;
    passes.target = wanted ?? own;
    Object.assign(passes, backwardPass(layers, passes.maps, passes.target));
    sheets.forEach((sheet, n) => {
      sheet.fill(values()[n], n === 0 && !backward());
      if (field() && n > 0) write(sheet.limit, fieldWords(fields[n]));
    });
    bars.forEach(([bar, words], k) => {
      const marks = [k === read && "read", k === passes.target && "target"].filter(Boolean);
      bar.style.width = `${100 * y[k]}%`;
      write(words, `${k}: ${y[k].toFixed(3)} ${marks.join(", ")}`);
    });
    write(loss, `Loss E = -log ${shown(y[passes.target])} = ${told(passes.loss)}`);
    write(title, `The classical network reads ${drawn ? "a drawing" : `a ${own}`} as ${read} with probability ${y[read].toFixed(2)}`);
  }

  function redraw() {
    compute();
    lens.set(model.get("lens"));
    digit.set(model.get("drawing") === "" ? model.get("digit") : -1);
    target.set(model.get("target"));
    write(task, field() ? FIELD : TASK);
    undo.disabled = !desk.past.length;
    show();
    veil();
  }

  // While a pass is played, the maps that it has not reached wait.
  function veil() {
    const last = names.length - 1;
    const waits = (m) => moment !== null && (backward() ? m < last - moment : m > moment);
    sheets.forEach((sheet, m) => sheet.element.classList.toggle("waiting", waits(m)));
    for (const part of [classes, loss]) part.classList.toggle("waiting", !backward() && waits(last));
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
    if (field()) Object.assign(looks[0], { shaded: true, solid: met }); // met is of the image
    met = one;
    for (let m = n; m < layers.length && !field(); m++) looks[m + 1].dashed = met = reach(layers[m], 2, met);
    sheets[fixed.n].flat = fixed.flat;
    const places = sheets.map((sheet) => sheet.measure()); // all before the page changes again
    sheets.forEach((sheet, m) => {
      sheet.mark(looks[m]);
      sheet.point(places[m], told(values()[m][sheet.flat]), m === fixed.n);
    });
    const lines = field() ? tellRule(label(n, flat), fields[n], shapes[n].length > 1 ? unflatten(flat, shapes[n]) : [])
      : (backward() ? tellBackward : tellForward)(passes, n, flat);
    said.say([...lines, ...(n > 0 ? [tellField(looks[0].solid)] : [])].join("\n"));
  }

  const resized = new ResizeObserver(() => show()); // also when it comes onto the page
  redraw();
  resized.observe(parts);
  const stops = [
    () => resized.disconnect(),
    whenChanged(model, TRAITS, () => { hovered = null; if (!play.opening) said.quiet(false); draw(); }),
    openInSight(el, play),
  ];
  return () => { play.stop(); stops.forEach((stop) => stop()); };
}

export default { initialize, render, check };
