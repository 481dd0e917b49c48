// The explorer of the pools: who wins a window, and where its delta goes.

import { button, field, menu, radios, tick } from "./controls.js";
import { Desk } from "./desk.js";
import { element, write } from "./elements.js";
import { Board } from "./grid.js";
import { keepKeys, once, whenChanged } from "./hearing.js";
import { pictures } from "./pooling_pictures.js";
import { TRAITS, WORDS, look, windowOf } from "./pooling_state.js";
import { deltaSum, forwardSum, remark, sentOut, task, title } from "./pooling_words.js";
import { INPUT, OUTPUT, WEIGHT } from "./sides.js";
import { GESTURES, Stage, legend } from "./stage.js";
import { statement } from "./statement.js";
import { initialize } from "./stills.js";
import { openInSight, travel } from "./travel.js";
import { InputError, cells, nested, unflatten } from "./sums.js";

const SIGNS = [
  ["chosen", "the chosen cell"], ["partner", "its partners"], ["padding", "padding"],
  ["unread", "in no window"], ["dotted", "the centre: drag the dot"],
];

function render({ model, el }) {
  let seen; // what is on the screen
  let moment = null; // of the travel
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
  const edit = (name, side, letter) => (flat, value, text) => {
    if (flat === undefined) return desk.refuse("padding has no number of its own to change");
    if (Number.isNaN(value)) return desk.refuse(`'${text}' is no number; the cell keeps the one it has`);
    const values = [...seen[letter]];
    values[flat] = value;
    return desk.change({ [name]: nested(values, seen.shapes[side]) });
  };
  const editInput = edit("input", INPUT, "x");
  const centre = (flat) => {
    if (flat !== undefined) desk.change({ center: unflatten(flat, seen.shapes[WEIGHT]), padding: null });
  };
  const escape = () => { pinned = null; looked = null; redraw(); };
  const board = (kind, side, more = {}) =>
    new Board(kind, { pin: pin(side), look: lookAt(side), escape, ...more });
  const boards = {
    input: board("input", INPUT, { edit: editInput }),
    deltas: board("delta", OUTPUT, { edit: edit("deltas", OUTPUT, "da") }),
    window: board("weight", WEIGHT, { centre }),
    output: board("output", OUTPUT),
    dx: board("delta", INPUT),
  };
  const recentre = button("Centre here", () => centre(pinned[1]));

  // ---- The travel: of an output, or of an input, there is one moment

  const journey = travel({
    counts: () => seen.moments, place: () => seen.here, quiet: sum.quiet,
    show(next) {
      moment = next;
      looked = null;
      if (next) pinned = null;
      if (next && !next.quiet && next.cell !== seen.here) {
        model.set("position", unflatten(next.cell, seen.shapes[seen.side]));
        model.save_changes();
      }
      redraw();
    },
  });

  // ---- Controls, each with what it shows of the state

  // The other lens at a cell that belongs to the present one: a winner, or an output it went into.
  function turn(lens) {
    const [i, , p] = seen.groups[seen.here][0] ?? [0, 0, 0];
    const [I, , P] = seen.shapes;
    const place = lens === "forward" ? unflatten(i, I) : unflatten(seen.winners?.[i] ?? p, P);
    if (lens !== seen.lens) desk.change({ lens, position: place });
  }

  // Lifts the last smaller input of the window to the largest; of several windows, of the first.
  function tie() {
    const [own] = seen.groups[seen.here];
    if (!own) return desk.refuse("no window meets this input");
    const lower = windowOf(seen, own[OUTPUT]).filter((p) => seen.x[p] < seen.a[own[OUTPUT]]);
    if (!lower.length) return desk.refuse("all inputs of this window are equal already");
    return editInput(lower.at(-1), seen.a[own[OUTPUT]], "");
  }

  const ways = {
    none: () => ({ padding: null, center: null }),
    same: () => ({ padding: "same", center: null }),
    full: () => ({ padding: "full", center: null }),
    own: () => {
      const pads = seen.axes.map((axis) => axis.pads);
      const alike = new Set(pads.flat()).size === 1;
      return { padding: alike ? pads[0][0] : pads, center: null };
    },
    center: () => ({ padding: null, center: seen.shapes[WEIGHT].map((n) => (n - 1) >> 1) }),
  };
  const way = ({ padding, center }) => (center !== null ? "center"
    : padding === null || padding === "valid" ? "none" : typeof padding === "string" ? padding : "own");
  const change = (name) => (value) => desk.change({ [name]: value });
  const refuse = (reason) => desk.refuse(reason);
  /** @returns {import("./controls.js").Shown} */
  const choice = (name, label, texts, onChange) => [
    radios({ label, onChange, options: WORDS[name].map((word, n) => [word, texts[n]]) }),
    (state) => state[name],
  ];
  const cellsOfPadding = field({
    label: "cells", refuse, onChange: change("padding"),
    title: "one number, one for each axis: 2,1, or a pair for each axis: 1,0;0,1",
  });
  const counting = tick({ label: "padding counts", onChange: change("count_padding") });
  /** @type {import("./controls.js").Shown[]} */
  const shows = [
    choice("lens", "Lens", ["forward", "delta"], turn),
    choice("pool", "Keep", ["the maximum", "the average"], change("pool")),
    [field({ label: "window", refuse, onChange: change("window") }), (state) => state.window],
    [field({ label: "stride", refuse, onChange: change("stride") }),
      (state) => state.stride ?? state.window],
    [menu({
      label: "padding", onChange: (name) => desk.change(ways[name]()),
      options: [["none", "none"], ["same", "same"], ["full", "full"], ["own", "own number"],
        ["center", "by centre"]],
    }), way],
    [cellsOfPadding, ({ padding }) => padding],
    [counting, (state) => state.count_padding],
    [tick({ label: "flip", onChange: change("flip") }), (state) => state.flip],
  ];
  const tieButton = button("Make a tie", tie);
  const undo = button("Undo", () => desk.undo());
  const stage = new Stage();
  const name = element("p", { class: "cnn-name" });
  const wanted = element("p", { class: "cnn-task" });
  const note = element("p", { class: "cnn-note" });

  // ---- The picture

  function redraw() {
    seen = desk.look(desk.present());
    if (pinned && (pinned[0] === seen.side || pinned[1] >= cells(seen.shapes[pinned[0]]))) pinned = null;
    if (looked && looked[1] >= cells(seen.shapes[looked[0]])) looked = null;
    const [from, flat] = moment ? [seen.side, moment.cell] : looked ?? pinned ?? [seen.side, seen.here];
    const at = from === seen.side ? flat : seen.here;
    // A cell of the window belongs to the chosen cell.
    const rows = from === OUTPUT || from === INPUT ? seen.rows.filter((row) => row[from] === flat)
      : seen.groups[at].filter((row) => row[WEIGHT] === flat);
    const lit = [OUTPUT, WEIGHT, INPUT].map((side) => new Set(rows.map((row) => row[side])));
    stage.draw(boards, pictures(seen, { at, lit, travels: Boolean(moment) }), { window: [recentre] });
    if (seen.shapes[INPUT].length === 1) stage.connect(seen.rows, (i) => i, rows);
    shows.forEach(([control, value]) => control.set(value(seen)));
    cellsOfPadding.element.hidden = way(seen) !== "own";
    counting.element.hidden = seen.max;
    tieButton.hidden = !seen.max;
    recentre.disabled = pinned?.[0] !== WEIGHT;
    undo.disabled = !desk.past.length;
    write(name, title(seen));
    write(wanted, task(seen));
    write(note, remark(seen));
    sum.say(from === OUTPUT && seen.side === INPUT ? sentOut(seen, flat)
      : seen.side === OUTPUT ? forwardSum(seen, at) : deltaSum(seen, at));
    journey.draw();
  }

  // Python sends one change after the other; what goes together may be incomplete for a moment.
  const hear = once(() => {
    try {
      const there = desk.look(desk.present());
      if (moment && !moment.quiet && there.here !== moment.cell) { journey.interrupt(); moment = null; }
      if (moment?.quiet) { journey.interrupt(); moment = null; }
      if (seen.deltas && !there.deltas && String(there.shapes[OUTPUT]) === String(seen.shapes[OUTPUT])) {
        desk.forget(there.shapes[OUTPUT]);
      }
      redraw();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  });

  keepKeys(el);
  el.classList.add("cnn-explorer", "cnn-pooling");
  el.append(
    element("div", { class: "cnn-head" }, name, wanted),
    element("div", { class: "cnn-controls" }, ...shows.map(([control]) => control.element), tieButton),
    element("div", { class: "cnn-controls" }, journey.element, undo,
      button("Reset", () => { pinned = null; desk.reset(); })),
    stage.element, sum.element, note, legend(SIGNS, GESTURES),
  );
  redraw();
  const forget = whenChanged(model, TRAITS, hear);
  const unseen = openInSight(el, journey);
  return () => { journey.stop(); unseen(); forget(); };
}

export default { initialize, render, check: look };
