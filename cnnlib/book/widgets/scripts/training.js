// The explorer of a training: recordings (recording.py has the format), and a small one that is live.

import { button, menu, radios, slider } from "./controls.js";
import { Bars, Curves } from "./curves.js";
import { Desk } from "./desk.js";
import { element, write } from "./elements.js";
import { LiveFilm, lastUntil, readDigits, recordingsOf, sharedFilters, unpack } from "./film.js";
import { Grid } from "./grid.js";
import { keepKeys, once, whenChanged } from "./hearing.js";
import { player } from "./player.js";
import { folds, legend } from "./stage.js";
import { statement } from "./statement.js";
import { initialize } from "./stills.js";
import { InputError, repr } from "./sums.js";
import { drawTiles, paintPicture, tiled } from "./tiles.js";
import { openInSight } from "./travel.js";

const SETTINGS = ["rate", "batch", "init", "filters", "seed"]; // of the live one
const TRAITS = ["recordings", "shown", "live", ...SETTINGS, "step", "layer", "filter"];
const CHOICES = { // what a page offers; Python may set others
  rate: [0.001, 0.01, 0.03, 0.1, 0.3, 1, 3], batch: [1, 4, 16, 64], init: ["he", "glorot", 0, 0.01, 1],
  filters: [1, 2, 4, 8], seed: [0, 1, 2, 3],
};
const WORDS = {
  rate: "learning rate", batch: "batch", init: "first weights", filters: "filters", seed: "seed",
  he: "He", glorot: "Glorot", 0: "all zero", 0.01: "too small, 0.01", 1: "too large, 1",
};
const IMAGES = 400; // a live training goes through so many at a time, then the page draws
const SIGNS = [["weight", "a kernel"], ["output", "a map"], ["delta", "its deltas"], ["chosen", "the chosen filter"]];
const HINTS = "The mouse over a filter shows what its numbers span; a click, a tap or an arrow key keeps it. " +
  "A click on a curve, or a drag along it, is a step. Blue cells with a dash are negative, red ones positive. " +
  "A histogram counts the numbers on the held-out images, sign aside: a bar is half a decade, its height the root of " +
  "its share, the hollow bar at the left the zeros. Size: root of the mean square.";

const percent = (share) => `${(100 * share).toFixed(1)}%`;

// ---- What can be

// How many filters the convolutions have that can be shown, and the last step.
function bounds(state) {
  if (state.live) return { filters: { conv1: state.filters }, last: state.digits.film.steps };
  const films = recordingsOf(state);
  return { filters: sharedFilters(films), last: Math.max(...films.map(({ step }) => step.at(-1))) };
}

function checkLive({ live, rate, batch, init, filters, seed }) {
  const wrong = (name, value, wanted) => new InputError(`${name} is ${repr(value)}; expected ${wanted}`);
  if (typeof live !== "boolean") throw wrong("live", live, "True or False");
  if (!(Number.isFinite(rate) && rate > 0)) throw wrong("rate", rate, "a positive finite number");
  if (!["he", "glorot"].includes(init) && !(Number.isFinite(init) && init >= 0 && init <= 10)) {
    throw wrong("init", init, "'he', 'glorot' or a number from 0 to 10");
  }
  for (const [name, value, least, most] of [["batch", batch, 1, Number.MAX_SAFE_INTEGER],
    ["filters", filters, 1, 8], ["seed", seed, 0, 2 ** 32 - 1]]) {
    if (!Number.isInteger(value) || value < least || value > most) {
      throw wrong(name, value, `an integer from ${least} to ${most}`);
    }
  }
}

function check(state) {
  checkLive(state);
  const films = recordingsOf(state);
  const { filters, last } = bounds(state);
  if (typeof state.layer !== "string" || !Object.hasOwn(filters, state.layer)) {
    throw new InputError(`layer is ${repr(state.layer)}; expected one of ${Object.keys(filters).join(", ")}`);
  }
  const most = { shown: films.length - 1, step: last, filter: filters[state.layer] - 1 };
  for (const [name, top] of Object.entries(most)) {
    const value = state[name];
    if (!Number.isInteger(value) || value < 0 || value > top) {
      throw new InputError(`${name} is ${repr(value)}; expected 0 to ${top}`);
    }
  }
  return state;
}

// The nearest state that can be: after a change, another layer or a shorter training may be shown.
function fitted(state) {
  const { filters, last } = bounds(state);
  const layer = Object.hasOwn(filters, state.layer) ? state.layer : Object.keys(filters)[0];
  return {
    ...state, layer, step: Math.min(state.step, last), filter: Math.min(state.filter, filters[layer] - 1),
  };
}

// ---- Controls of the live one: a menu that takes whatever value Python sets

function growing(name, onChange) {
  const options = CHOICES[name].map((value) => [value, name === "init" ? WORDS[value] : String(value)]);
  const control = menu({ label: WORDS[name], options, onChange });
  return {
    element: control.element,
    set(value) {
      if (!options.some(([one]) => one === value)) {
        options.push([value, String(value)]);
        control.element.querySelector("select").append(element("option", {}, String(value)));
      }
      control.set(value);
    },
  };
}

// ---- The explorer

async function render({ model, el }) {
  let recorded = []; // films
  let live = null; // the film that grows
  let earlier = null; // the one before, with other settings
  let made = ""; // the settings of `live`
  let growth = 0; // timer
  let lit = null; // the filter under the pointer
  let moment = null; // of the pass that opens the page
  let drawn = ""; // what the curves and the table were built for
  let bars = [];

  const data = () => ({ data: model.get("data"), digits: model.get("digits") });
  const said = statement();
  const desk = new Desk({
    model, names: TRAITS, walk: "step", told: said.refuse,
    look: (state) => check({ ...state, ...data() }),
    changed: () => { lit = null; redraw(); },
  });
  const change = (changes) => {
    const next = fitted({ ...desk.present(), ...changes, ...data() });
    const { layer, step, filter } = next;
    desk.change(Object.keys(changes).join() === "step" ? { step } : { ...changes, layer, step, filter });
  };
  const isLive = () => model.get("live");
  const films = () => (isLive() ? [live, ...(earlier ? [earlier] : [])] : recorded);
  const shown = () => (isLive() ? 0 : model.get("shown"));
  const steps = () => { // of all films, rising
    if (isLive()) return live.broken === null ? live.wanted : live.step;
    return [...new Set(recorded.flatMap((film) => film.step))].sort((a, b) => a - b);
  };
  const now = () => (moment === null ? model.get("step") : steps()[moment]);
  const nearest = (step) => {
    const far = (s) => Math.abs(Math.log1p(s) - Math.log1p(step));
    play.stop();
    change({ step: steps().reduce((best, s) => (far(s) < far(best) ? s : best)) });
  };
  const next = () => {
    const all = steps();
    const place = (lastUntil(all, model.get("step")) + 1) % all.length;
    change({ step: all[place] });
    if (place === all.length - 1) play.stop();
  };

  const play = player({
    step: next, quiet: said.quiet, pause: 400, count: () => steps().length,
    pass: (n) => { moment = n; redraw(); },
  });
  const name = element("p", { class: "cnn-name" });
  const task = element("p", { class: "cnn-task" });
  const chooser = element("div");
  const along = slider({
    label: "training step", min: 0, max: 1, onChange: (n) => { play.stop(); change({ step: steps()[n] }); },
  });
  const place = element("output", { class: "cnn-place" });
  const undo = button("Undo", () => desk.undo());
  const settings = SETTINGS.map((one) => ({ one, control: growing(one, (value) => change({ [one]: value })) }));
  const tuning = element("div", { class: "cnn-controls", role: "group", "aria-label": "the live training" },
    ...settings.map(({ control }) => control.element));
  const curves = [new Curves("loss", nearest), new Curves("accuracy", nearest)];
  const image = element("canvas", { role: "img" });
  const reading = element("span", { class: "cnn-reading" });
  const scales = element("p", { class: "cnn-note" });
  const layers = element("div");
  const tiles = new Grid({
    label: "", kind: "plain",
    onPin: ([, filter]) => change({ filter }),
    onLook: (cell) => { lit = cell && cell[1]; redraw(); },
    onEscape: () => { lit = null; redraw(); },
  });
  const table = element("tbody");
  const head = ["layer", "activations", "gradients dw"].map((text) => element("th", { scope: "col" }, text));
  keepKeys(el);
  el.classList.add("cnn-explorer", "cnn-training");
  el.append(
    element("div", { class: "cnn-head" }, name, task),
    element("div", { class: "cnn-controls" }, chooser, layers),
    tuning,
    element("div", { class: "cnn-controls" }, play.element, along.element, place, undo,
      button("Reset", () => { play.stop(); desk.reset(); })),
    element("div", { class: "cnn-parts" },
      element("div", { class: "cnn-half" },
        element("div", { class: "cnn-pair" }, ...curves.map((curve) => curve.element)),
        element("table", { class: "cnn-histograms" },
          element("thead", {}, element("tr", {}, ...head)), table)),
      element("div", { class: "cnn-half" },
        element("div", { class: "cnn-controls" }, image, reading),
        tiles.element, scales, said.element)),
    folds(legend(SIGNS, HINTS)),
  );

  // ---- Films

  let switches = [];
  let loads = 0;
  async function load() {
    const [recordings, shipped] = [model.get("recordings"), model.get("data")];
    if (recordings.some((film) => typeof film === "string" && !shipped[film])) return; // data follow
    const turn = ++loads;
    const unpacked = await Promise.all(recordingsOf({ recordings, data: shipped }).map(unpack));
    if (turn !== loads) return; // there are newer ones
    recorded = unpacked;
    const which = radios({
      label: "Training", options: [...recorded.map((film, n) => [n, film.title]), ["live", "live: your own"]],
      onChange: (value) => {
        play.stop();
        change(value === "live" ? { live: true } : { live: false, shown: value });
      },
    });
    chooser.replaceChildren(which.element);
    switches = [[which, () => (isLive() ? "live" : shown())]];
    drawn = "";
    redraw();
  }

  const digits = await readDigits(model.get("digits"));

  // Other settings begin anew, and the training before is kept to compare.
  function renew() {
    const wanted = Object.fromEntries(SETTINGS.map((one) => [one, model.get(one)]));
    if (made === JSON.stringify(wanted)) return;
    made = JSON.stringify(wanted);
    if (live?.step.length > 1) earlier = live;
    live = new LiveFilm(wanted, model.get("digits").film, digits);
    drawn = "";
  }

  // The live film grows until it has the step that is shown, a few images at a time.
  function grow() {
    clearTimeout(growth);
    if (!isLive() || !live.more || live.wanted[live.step.length] > now()) return;
    growth = setTimeout(() => {
      if (live.take(IMAGES)) redraw();
      else grow();
    });
  }

  // ---- The picture

  // What does not depend on the step.
  function build(film, all) {
    curves.forEach((curve) => curve.draw(all, shown(), steps().at(-1)));
    bars = film.layers.map(() => [new Bars("activations"), new Bars("gradients")]);
    table.replaceChildren(...film.layers.map(({ name: own }, n) => element("tr", {},
      element("th", { scope: "row" }, own), ...bars[n].map((bar) => bar.element))));
    const layer = radios({
      label: "Layer", options: Object.keys(bounds({ ...desk.present(), ...data() }).filters).map((own) => [own, own]),
      onChange: (own) => change({ layer: own }),
    });
    switches[1] = [layer, () => model.get("layer")];
    layers.replaceChildren(layer.element);
    const other = all[1 - shown()];
    write(name, isLive() ? film.about : `${film.title}. ${film.about}`);
    write(task, (isLive()
      ? "Play, then change a setting: the training begins anew, and the one before stays, dashed."
      : "Play, or draw the slider, and watch the kernels form.")
      + (other ? ` Dashed, with a square: ${other.title}.` : ""));
    const picture = film.at("image", 0);
    paintPicture(image, tiled(picture.values, picture.shape), picture.limit, false, 56);
    image.setAttribute("aria-label", `the image, a handwritten ${film.label}`);
  }

  function redraw() {
    if (isLive()) renew();
    const all = films();
    const film = all[shown()];
    const state = { ...desk.present(), ...data() };
    if (!film || (!isLive() && !sharedFilters(all)[state.layer])) return; // others are on their way
    const count = bounds(state).filters[state.layer];
    if (!count) return;
    const filter = Math.min(state.filter, count - 1); // a new one follows the layer
    const key = [isLive(), shown(), made, ...all.map((one) => one.step.length)].join("|");
    if (drawn !== key) build(film, all);
    drawn = key;
    const frames = all.map((each) => lastUntil(each.step, now()));
    const f = frames[shown()];
    switches.forEach(([control, value]) => control.set(value()));
    settings.forEach(({ control, one }) => control.set(state[one]));
    tuning.hidden = !isLive();
    undo.disabled = !desk.past.length;
    along.element.querySelector("input").max = steps().length - 1;
    along.set(lastUntil(steps(), now()), `step ${film.step[f]}`);
    write(place, `${film.step[f]} of ${(isLive() ? steps() : film.step).at(-1)}`);
    curves[0].mark(all, frames, shown(), String);
    curves[1].mark(all, frames, shown(), percent);
    write(reading, `the image, a ${film.label}, is read as ${film.read[f]}`);
    film.layers.forEach(({ name: own, ...sizes }, n) => bars[n].forEach((bar, column) => {
      const part = ["activations", "gradients"][column];
      bar.draw(film.at(`${own}.${part}`, f).values, sizes[part][f]);
    }));
    const told = drawTiles(tiles, film, f, { layer: state.layer, count, filter, lit });
    write(scales, `Full colour: kernels ${told.w} (the largest of all steps), maps ${told.a}, deltas ${told.dz} `
      + "(of this step).");
    const seen = lit !== null && lit < count ? lit : filter;
    const [w, a, dz] = told.spans[seen];
    const ended = f === film.step.length - 1 && film.broken !== null
      ? ` Then it breaks: at step ${film.broken} numbers are no longer finite.` : "";
    said.say(
      `${film.title}, step ${film.step[f]}: loss ${film.loss[f]}, `
      + `accuracy ${percent(film.accuracy[f])}; the ${film.label} is read as ${film.read[f]}.\n`
      + `${state.layer}, filter ${seen}: weights ${w}, activations ${a}, deltas ${dz}.${ended}`);
    grow();
  }

  // Python sends what changed, one after the other; what goes together may be incomplete.
  const hear = once(() => {
    try {
      desk.look(desk.present());
      redraw();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  });
  const off = [
    whenChanged(model, TRAITS.filter((one) => one !== "recordings"), hear),
    whenChanged(model, ["recordings", "data"], load),
  ];
  await load();
  off.push(openInSight(el, play));
  return () => { clearTimeout(growth); play.stop(); off.forEach((stop) => stop()); };
}

export default { initialize, render, check };
