// The explorer of the convolution: three lenses on one connection table.

import { CALLS } from "./calls.js";
import { controls } from "./convolution_controls.js";
import { pictures } from "./convolution_pictures.js";
import { TRAITS, look } from "./convolution_state.js";
import { SIGNS, remark, sumOf, task, title } from "./convolution_words.js";
import { copying } from "./copying.js";
import { element } from "./elements.js";
import { INPUT, OUTPUT, WEIGHT, partners } from "./sides.js";
import { GESTURES, fold, legend } from "./stage.js";
import { initialize } from "./stills.js";
import { range } from "./sums.js";
import { workbench } from "./workbench.js";

/** @type {Record<string, import("./workbench.js").Role>} */
const ROLES = {
  input: { kind: "input", side: INPUT, edit: ["input", "x"] },
  kernel: { kind: "weight", side: WEIGHT, edit: ["kernel", "w"], centre: true },
  turned: { kind: "weight", side: WEIGHT },
  products: { kind: "plain", side: WEIGHT },
  output: { kind: "output", side: OUTPUT },
  deltas: { kind: "delta", side: OUTPUT, edit: ["deltas", "dz"] },
  dx: { kind: "delta", side: INPUT },
  dw: { kind: "delta", side: WEIGHT },
};

function picture({ seen, from, flat, at, own, moment, looked }, theirs) {
  const rows = own ? seen.rowsAt[at] : seen.rows.filter((row) => row[from] === flat);
  const terms = moment ? moment.terms : Infinity;
  const drawn = pictures(seen, { at, terms, travels: Boolean(moment), lit: partners(rows), looked, theirs });
  const now = moment ? seen.rowsAt[at].slice(0, terms).at(-1) : undefined;
  return {
    ...drawn,
    lines: seen.axes.length === 1 && drawn.main &&
      { rows: seen.rows, axis: seen.axes[0], step: drawn.step, lit: rows, now, own: (row) => row[from] === flat },
    title: title(seen), task: task(seen), sum: sumOf(seen, at, terms),
    remark: theirs ? theirs.says : remark(seen, at),
  };
}

// What the reader's own function gave, as long as it is of what is drawn.
function compared(theirs, seen) {
  const mine = { forward: seen.z, delta: seen.dx, weight: seen.dw }[seen.lens];
  const of = theirs?.lens === seen.lens && theirs.right.length === mine.length &&
    theirs.right.every((value, n) => near(value, mine[n]));
  return of ? { ...theirs, wrong: new Set(range(theirs.values.length).filter((n) => !near(theirs.values[n], mine[n]))) } : null;
}

const near = (a, b) => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));

function render({ model, el }) {
  const bench = workbench({
    model, names: TRAITS, roles: ROLES, look, heard: ["theirs"],
    picture: (view) => picture(view, compared(model.get("theirs"), view.seen)),
    update(seen) {
      panel.update(seen);
      away.update();
    },
  });
  const panel = controls({ ...bench, unfold: () => { setUp.open = true; } });
  const setUp = fold("Set up",
    element("div", { class: "cnn-controls" }, ...panel.folded.map(([control]) => control.element)));
  const away = copying({ texts: CALLS, seen: bench.seen, root: el });
  const front = panel.front.map(([control]) => control.element);
  return bench.mount(el, "convolution", front, setUp, away.element, legend(SIGNS, GESTURES));
}

export default { initialize, render, check: look };
