// What explorers of grids have in common: a desk, boards with one set of gestures, and the travel.

import { button } from "./controls.js";
import { Desk } from "./desk.js";
import { element, write } from "./elements.js";
import { Board } from "./grid.js";
import { keepKeys, once, whenChanged } from "./hearing.js";
import { OUTPUT, WEIGHT, spatial } from "./sides.js";
import { Stage, folds } from "./stage.js";
import { statement } from "./statement.js";
import { openInSight, travel } from "./travel.js";
import { InputError, cells, nested, unflatten } from "./sums.js";

/**
 * A kind of grid: how its cells look, the side of the table that it stands for, and what an edit
 * changes: a trait, and the numbers that it is seen as.
 * @typedef {{ kind: string, side: number, edit?: [string, string], centre?: boolean }} Role
 */

/**
 * What is looked at: the cell `flat` of the side `from`; `at` is the one of the lens's own grid,
 * `moment` where a travel is, `looked` a [side, flat place] under the mouse.
 * @typedef {{ seen: any, from: number, flat: number, at: number, own: boolean, moment: any, looked: any }} View
 */

/**
 * `look(state)` says what is seen, `picture(view)` what is drawn of it, as `Stage.draw` takes it, with
 * the title, the task, the sum and a remark, and of one row its lines.
 * @param {{ model: any, names: string[], heard?: string[], roles: Record<string, Role>, look: (state: any) => any,
 *   picture: (view: View) => any, update: (seen: any) => void }} options
 */
export function workbench({ model, names, heard = [], roles, look, picture, update }) {
  let seen; // what is on the screen
  let moment = null; // of the travel: { cell, terms, quiet }
  let looked = null; // [side, flat place] under the mouse
  let pinned = null; // the same, of a cell beside the lens's own grid
  const sum = statement({ scrolls: true });
  const desk = new Desk({
    model, names, look, told: sum.refuse,
    changed: () => { journey.interrupt(); moment = null; looked = null; redraw(); },
  });
  const shape = (side) => seen.arrays[side];
  const place = (flat) => spatial(WEIGHT, unflatten(flat, shape(WEIGHT)), seen.axes.length);

  // ---- Gestures

  const lookAt = (side) => (flat) => {
    if (journey.opening) journey.finish();
    looked = flat === undefined ? null : [side, flat];
    redraw(false);
  };
  const pin = (side) => (flat) => {
    if (flat === undefined) return;
    if (journey.moving) journey.finish();
    looked = null;
    const own = side === seen.side;
    pinned = own ? null : [side, flat];
    if (own && flat !== seen.here) desk.change({ position: unflatten(flat, shape(side)) });
    else redraw();
  };
  const edit = ([name, letter], side) => (flat, value, text) => {
    if (flat === undefined) return desk.refuse("padding and zeros between have no number of their own");
    if (Number.isNaN(value)) return desk.refuse(`'${text}' is no number; the cell keeps the one it has`);
    const values = [...seen[letter]];
    values[flat] = value;
    return desk.change({ [name]: nested(values, shape(side)) });
  };
  const centre = (flat) => {
    if (flat !== undefined) desk.change({ center: place(flat), padding: null });
  };
  const escape = () => { pinned = null; looked = null; redraw(); };
  /** @type {Map<string, Board>} */ const boards = new Map();
  const board = (name) => { // "input", or of several slices "input/2"
    const { kind, side, edit: what, centre: moves } = roles[name.split("/")[0]];
    if (!boards.has(name)) {
      boards.set(name, new Board(kind, {
        pin: pin(side), look: lookAt(side), escape, edit: what && edit(what, side), centre: moves && centre,
      }));
    }
    return boards.get(name);
  };
  const weight = () => (pinned?.[0] === WEIGHT ? pinned[1] : seen.side === WEIGHT ? seen.here : undefined);
  const recentre = button("Centre here", () => centre(weight()));

  // ---- The travel

  const journey = travel({
    counts: () => seen.order.map((flat) => seen.moments[flat]),
    place: () => seen.order.indexOf(seen.here), quiet: sum.quiet,
    show(next) {
      if (next) next.cell = seen.order[next.cell];
      moment = next;
      looked = null;
      if (next) pinned = null;
      if (next && !next.quiet && next.cell !== seen.here) {
        model.set("position", unflatten(next.cell, shape(seen.side)));
        model.save_changes();
      }
      redraw();
    },
  });

  // ---- The picture

  const stage = new Stage();
  const [name, wanted, note] = ["name", "task", "note"].map((part) => element("p", { class: `cnn-${part}` }));
  const undo = button("Undo", () => desk.undo());
  const reset = button("Reset", () => { pinned = null; desk.reset(); });

  function redraw(changed = true) { // looking changes no control
    seen = desk.look(desk.present());
    if (pinned && (pinned[0] === seen.side || pinned[1] >= cells(shape(pinned[0])))) pinned = null;
    if (looked && looked[1] >= cells(shape(looked[0]))) looked = null;
    const [from, flat] = moment ? [seen.side, moment.cell] : looked ?? pinned ?? [seen.side, seen.here];
    const own = from === seen.side;
    const drawn = picture({ seen, from, flat, own, at: own ? flat : seen.here, moment, looked });
    const centred = Object.keys(roles).find((one) => roles[one].centre);
    stage.draw(board, drawn, { [centred]: recentre });
    if (changed) update(seen);
    recentre.disabled = weight() === undefined || String(seen.dot) === String(place(weight()));
    undo.disabled = !desk.past.length;
    write(name, drawn.title);
    write(wanted, drawn.task);
    sum.say(drawn.sum);
    write(note, drawn.remark);
    journey.draw();
  }

  // Python sends what changed. Of an input and a kernel that go together, one may come first.
  const hear = once(() => {
    const before = seen;
    try {
      const now = desk.present();
      const moved = names.some((one) => one !== "position" && JSON.stringify(now[one]) !== JSON.stringify(before[one]));
      const there = desk.look(now);
      if (moved || (moment && (moment.quiet || there.here !== moment.cell))) {
        journey.interrupt();
        moment = null;
      }
      if (before.deltas && !now.deltas && String(there.arrays[OUTPUT]) === String(before.arrays[OUTPUT])) {
        desk.forget(there.arrays[OUTPUT]);
      }
      if (pinned && moved) pinned = null;
      redraw();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  });

  return {
    desk,
    seen: () => seen,
    /** Puts it on the page; returns what takes it off again. */
    mount(el, kind, front, ...folded) {
      keepKeys(el);
      el.classList.add("cnn-explorer", `cnn-${kind}`);
      el.append(
        element("div", { class: "cnn-head" }, name, wanted),
        element("div", { class: "cnn-controls" }, ...front),
        element("div", { class: "cnn-controls" }, journey.element, undo, reset),
        stage.element, sum.element, note, folds(...folded),
      );
      redraw();
      const forget = whenChanged(model, [...names, ...heard], hear);
      const unseen = openInSight(el, journey);
      return () => { journey.stop(); unseen(); forget(); };
    },
  };
}
