// The explorer of the pools: who wins a window, and where its delta goes.

import { button, field, menu, radios, tick } from "./controls.js";
import { pictures } from "./pooling_pictures.js";
import { TRAITS, WORDS, look, windowOf } from "./pooling_state.js";
import { deltaSum, forwardSum, remark, sentOut, task, title } from "./pooling_words.js";
import { INPUT, OUTPUT, WEIGHT, partners, plainPlaces } from "./sides.js";
import { GESTURES, legend } from "./stage.js";
import { initialize } from "./stills.js";
import { nested, unflatten } from "./sums.js";
import { workbench } from "./workbench.js";

const SIGNS = [
  ["chosen", "the chosen cell"], ["partner", "its partners"], ["padding", "padding"],
  ["unread", "in no window"], ["dotted", "the centre: drag the dot"],
];
/** @type {Record<string, import("./workbench.js").Role>} */
const ROLES = {
  input: { kind: "input", side: INPUT, edit: ["input", "x"] },
  deltas: { kind: "delta", side: OUTPUT, edit: ["deltas", "da"] },
  window: { kind: "weight", side: WEIGHT, centre: true },
  output: { kind: "output", side: OUTPUT },
  dx: { kind: "delta", side: INPUT },
};

// Of an output, or of an input, a travel has one moment.
function picture({ seen, from, flat, at, moment }) {
  // A cell of the window belongs to the chosen cell.
  const rows = from === OUTPUT || from === INPUT ? seen.rows.filter((row) => row[from] === flat)
    : seen.groups[at].filter((row) => row[WEIGHT] === flat);
  return {
    ...pictures(seen, { at, lit: partners(rows), travels: Boolean(moment) }),
    lines: seen.axes.length === 1 &&
      { rows: seen.rows, axis: seen.axes[0], lit: rows, own: (row) => from === OUTPUT && row[from] === flat },
    title: title(seen), task: task(seen), remark: remark(seen),
    sum: plainPlaces(from === OUTPUT && seen.side === INPUT ? sentOut(seen, flat)
      : seen.side === OUTPUT ? forwardSum(seen, at) : deltaSum(seen, at)),
  };
}

function render({ model, el }) {
  const bench = workbench({ model, names: TRAITS, roles: ROLES, look, picture, update });

  // The other lens at a cell that belongs to the present one: a winner, or an output it went into.
  function turn(lens) {
    const seen = bench.seen();
    const [i, , p] = seen.groups[seen.here][0] ?? [0, 0, 0];
    const [I, , P] = seen.shapes;
    const place = lens === "forward" ? unflatten(i, I) : unflatten(seen.winners?.[i] ?? p, P);
    if (lens !== seen.lens) bench.desk.change({ lens, position: place });
  }

  // Lifts the last smaller input of the window to the largest; of several windows, of the first.
  function tie() {
    const seen = bench.seen();
    const [own] = seen.groups[seen.here];
    if (!own) return bench.desk.refuse("no window meets this input");
    const lower = windowOf(seen, own[OUTPUT]).filter((p) => seen.x[p] < seen.a[own[OUTPUT]]);
    if (!lower.length) return bench.desk.refuse("all inputs of this window are equal already");
    const values = [...seen.x];
    values[lower.at(-1)] = seen.a[own[OUTPUT]];
    return bench.desk.change({ input: nested(values, seen.shapes[INPUT]) });
  }

  const ways = {
    none: () => ({ padding: null, center: null }),
    same: () => ({ padding: "same", center: null }),
    full: () => ({ padding: "full", center: null }),
    own: () => {
      const pads = bench.seen().axes.map((axis) => axis.pads);
      const alike = new Set(pads.flat()).size === 1;
      return { padding: alike ? pads[0][0] : pads, center: null };
    },
    center: () => ({ padding: null, center: bench.seen().shapes[WEIGHT].map((n) => (n - 1) >> 1) }),
  };
  const way = ({ padding, center }) => (center !== null ? "center"
    : padding === null || padding === "valid" ? "none" : typeof padding === "string" ? padding : "own");
  const change = (name) => (value) => bench.desk.change({ [name]: value });
  const refuse = (reason) => bench.desk.refuse(reason);
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
      label: "padding", onChange: (name) => bench.desk.change(ways[name]()),
      options: [["none", "none"], ["same", "same"], ["full", "full"], ["own", "own number"],
        ["center", "by centre"]],
    }), way],
    [cellsOfPadding, ({ padding }) => padding],
    [counting, (state) => state.count_padding],
    [tick({ label: "flip", onChange: change("flip") }), (state) => state.flip],
  ];
  const tieButton = button("Make a tie", tie);

  function update(seen) {
    shows.forEach(([control, value]) => control.set(value(seen)));
    cellsOfPadding.element.hidden = way(seen) !== "own";
    counting.element.hidden = seen.max;
    tieButton.hidden = !seen.max;
  }

  const front = [...shows.map(([control]) => control.element), tieButton];
  return bench.mount(el, "pooling", front, legend(SIGNS, GESTURES));
}

export default { initialize, render, check: look };
