// The explorer of the convolution: three lenses on one connection table.

import { button } from "./controls.js";
import { controls } from "./convolution_controls.js";
import { pictures } from "./convolution_pictures.js";
import { TRAITS, look } from "./convolution_state.js";
import { SIGNS, remark, sumOf, task, title } from "./convolution_words.js";
import { Desk } from "./desk.js";
import { element, write } from "./elements.js";
import { Board } from "./grid.js";
import { keepKeys, once, whenChanged } from "./hearing.js";
import { INPUT, OUTPUT, WEIGHT } from "./sides.js";
import { GESTURES, Stage, fold, folds, legend } from "./stage.js";
import { statement } from "./statement.js";
import { initialize } from "./stills.js";
import { openInSight, travel } from "./travel.js";
import { InputError, cells, nested, unflatten } from "./sums.js";

const LETTERS = { input: "x", kernel: "w", deltas: "dz" };

function render({ model, el }) {
  let seen; // what is on the screen
  let moment = null; // of the travel: { cell, terms, quiet }
  let looked = null; // [side, flat place] under the mouse
  let pinned = null; // the same, of a cell beside the lens's own grid
  const sum = statement({ scrolls: true });
  const desk = new Desk({
    model, names: TRAITS, look, told: sum.refuse,
    changed: () => { journey.interrupt(); moment = null; looked = null; redraw(); },
  });

  // ---- Gestures

  const lookAt = (side) => (flat) => {
    if (journey.opening) journey.finish();
    looked = flat === undefined ? null : [side, flat];
    redraw();
  };
  const pin = (side) => (flat) => {
    if (flat === undefined) return;
    if (journey.moving) journey.finish();
    looked = null;
    const own = side === seen.side;
    pinned = own ? null : [side, flat];
    if (own && flat !== seen.here) desk.change({ position: unflatten(flat, seen.shapes[side]) });
    else redraw();
  };
  const edit = (name, side) => (flat, value, text) => {
    if (flat === undefined) return desk.refuse("padding and zeros between have no number of their own");
    if (Number.isNaN(value)) return desk.refuse(`'${text}' is no number; the cell keeps the one it has`);
    const values = [...seen[LETTERS[name]]];
    values[flat] = value;
    return desk.change({ [name]: nested(values, seen.shapes[side]) });
  };
  const centre = (flat) => {
    if (flat !== undefined) desk.change({ center: unflatten(flat, seen.shapes[WEIGHT]), padding: null });
  };
  const escape = () => { pinned = null; looked = null; redraw(); };
  const board = (kind, side, more = {}) =>
    new Board(kind, { pin: pin(side), look: lookAt(side), escape, ...more });
  const boards = {
    input: board("input", INPUT, { edit: edit("input", INPUT) }),
    kernel: board("weight", WEIGHT, { edit: edit("kernel", WEIGHT), centre }),
    turned: board("weight", WEIGHT),
    products: board("plain", WEIGHT),
    output: board("output", OUTPUT),
    deltas: board("delta", OUTPUT, { edit: edit("deltas", OUTPUT) }),
    dx: board("delta", INPUT),
    dw: board("delta", WEIGHT),
  };
  const weight = () => (pinned?.[0] === WEIGHT ? pinned[1] : seen.side === WEIGHT ? seen.here : undefined);
  const recentre = button("Centre here", () => centre(weight()));

  // ---- The travel

  const journey = travel({
    counts: () => seen.counts, place: () => seen.here, quiet: sum.quiet,
    show(next) {
      const cell = next?.cell;
      moment = next;
      looked = null;
      if (next) pinned = null;
      if (next && !next.quiet && cell !== seen.here) {
        model.set("position", unflatten(cell, seen.shapes[seen.side]));
        model.save_changes();
      }
      redraw();
    },
  });

  // ---- The picture

  const panel = controls({
    change: (changes) => desk.change(changes), refuse: (reason) => desk.refuse(reason),
    seen: () => seen, first: desk.first, unfold: () => { setUp.open = true; },
  });
  const setUp = fold("Set up",
    element("div", { class: "cnn-controls" }, ...panel.folded.map(([control]) => control.element)));
  const stage = new Stage();
  const name = element("p", { class: "cnn-name" });
  const wanted = element("p", { class: "cnn-task" });
  const note = element("p", { class: "cnn-note" });
  const undo = button("Undo", () => desk.undo());

  function redraw() {
    seen = desk.look(desk.present());
    if (pinned && (pinned[0] === seen.side || pinned[1] >= cells(seen.shapes[pinned[0]]))) pinned = null;
    if (looked && looked[1] >= cells(seen.shapes[looked[0]])) looked = null;
    const [from, flat] = moment ? [seen.side, moment.cell] : looked ?? pinned ?? [seen.side, seen.here];
    const at = from === seen.side ? flat : seen.here;
    const own = from === seen.side;
    const rows = own ? seen.groups[at] : seen.rows.filter((row) => row[from] === flat);
    const lit = [OUTPUT, WEIGHT, INPUT].map((side) => new Set(rows.map((row) => row[side])));
    const terms = moment ? moment.terms : Infinity;
    const drawn = pictures(seen, { at, terms, travels: Boolean(moment), lit, looked });
    stage.draw(boards, drawn, { kernel: [recentre] });
    if (seen.shapes[INPUT].length === 1) {
      const step = drawn.step ?? 1;
      const now = moment ? seen.groups[at].slice(0, terms).at(-1) : undefined;
      stage.connect(seen.rows, (i) => step * i, rows, now);
    }
    panel.update(seen);
    recentre.disabled = weight() === undefined || String(seen.dot) === String(unflatten(weight(), seen.shapes[WEIGHT]));
    undo.disabled = !desk.past.length;
    write(name, title(seen));
    write(wanted, task(seen));
    sum.say(sumOf(seen, at, terms));
    write(note, remark(seen, at));
    journey.draw();
  }

  // Python sends what changed. Of an input and a kernel that go together, one may come first.
  const hear = once(() => {
    const before = seen;
    try {
      const now = desk.present();
      const moved = TRAITS.some((one) => one !== "position" && JSON.stringify(now[one]) !== JSON.stringify(before[one]));
      const there = desk.look(now);
      if (moved || (moment && (moment.quiet || there.here !== moment.cell))) {
        journey.interrupt();
        moment = null;
      }
      if (before.deltas && !now.deltas && String(there.shapes[OUTPUT]) === String(before.shapes[OUTPUT])) {
        desk.forget(there.shapes[OUTPUT]);
      }
      if (pinned && moved) pinned = null;
      redraw();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  });

  keepKeys(el);
  el.classList.add("cnn-explorer", "cnn-convolution");
  el.append(
    element("div", { class: "cnn-head" }, name, wanted),
    element("div", { class: "cnn-controls" }, ...panel.front.map(([control]) => control.element)),
    element("div", { class: "cnn-controls" }, journey.element, undo, button("Reset", () => { pinned = null; desk.reset(); })),
    stage.element, sum.element, note,
    folds(setUp, legend(SIGNS, GESTURES)),
  );
  redraw();
  const forget = whenChanged(model, TRAITS, hear);
  const unseen = openInSight(el, journey);
  return () => { journey.stop(); unseen(); forget(); };
}

export default { initialize, render, check: look };
