// The explorer of the pools: who wins a window, and where its delta goes.

const [OUTPUT, WEIGHT, INPUT] = [0, 1, 2]; // the sides of a row [i, u, p] of the table
const WORDS = { lens: ["forward", "delta"], pool: ["max", "average"] };
const TRAITS = [
  "input", "pool", "window", "stride", "padding", "center", "flip", "count_padding", "lens",
  "position", "deltas",
];
const LARGEST = 16;

// ---- What a state says: everything that is drawn is read from here. Places are flat.

// The shape of a list of numbers or of equally long rows of them; null for anything else.
function shapeOf(values) {
  const rows = Array.isArray(values?.[0]) ? values : [values];
  const even = rows.every((row) => Array.isArray(row) && row.length === rows[0].length);
  if (!even || !rows.flat().every(Number.isFinite)) return null;
  return rows === values ? [rows.length, rows[0].length] : [rows[0].length];
}

// Throws an InputError where the state cannot be. The chosen cell and the deltas follow the grids.
function look(state) {
  for (const [name, words] of Object.entries(WORDS)) {
    if (words.includes(state[name])) continue;
    const expected = words.map(repr).join(" or ");
    throw new InputError(`${name} is ${repr(state[name])}; expected ${expected}`);
  }
  const P = shapeOf(state.input);
  if (!P || Math.min(...P) < 1 || Math.max(...P) > LARGEST) {
    throw new InputError("input is no row or grid of finite numbers, of at most " +
      `${LARGEST} cells along an axis`);
  }
  const laid = layPool(P, state.window, state);
  const [axes, rows, U] = [laid.axes(P), laid.connections(P), laid.kernel];
  const I = axes.map((axis) => axis.outputs);
  const deltas = String(shapeOf(state.deltas)) === String(I) ? state.deltas : null;
  const da = deltas?.flat() ?? range(cells(I)).map((i) => 10 * (i + 1));
  const x = state.input.flat();
  const side = state.lens === "forward" ? OUTPUT : INPUT;
  const shapes = [I, U, P];
  const position = shapes[side].map((size, n) =>
    Math.max(0, Math.min([state.position].flat()[n] ?? 0, size - 1)));
  const here = flatten(position, shapes[side]);
  const seen = { ...state, position, deltas, side, here, axes, rows, shapes, x, da };
  if (state.pool === "max") {
    const { a, winners } = maxPool(x, rows, da.length);
    return { ...seen, max: true, a, winners, dx: maxPoolDelta(da, winners, x.length) };
  }
  const counts = poolCounts(rows, da.length, state.count_padding ? cells(U) : null);
  const dx = avgPoolDelta(da, rows, counts, x.length);
  return { ...seen, max: false, a: avgPool(x, rows, counts), counts, dx };
}

// The inputs of a window, in the order of the input.
const windowOf = ({ rows }, output) =>
  rows.filter(([i]) => i === output).map(([, , p]) => p).sort((p, q) => p - q);

// ---- The written sums, in the form of `explain`

const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
const named = (letter, flat, shape) => `${letter}[${[0, ...unflatten(flat, shape), 0]}]`;

function forwardSum(seen, i) {
  const { shapes: [I, U, P], x, a, max, winners, counts, count_padding: counting } = seen;
  const inputs = windowOf(seen, i);
  const largest = inputs.filter((p) => max && x[p] === a[i]).length;
  const outside = cells(U) - inputs.length;
  const words = [`Output ${tuple(unflatten(i, I))} of sample 0, channel 0, meets ` +
    `${counted(inputs.length, "input cell")}.`];
  if (outside) {
    const role = max ? "counts as minus infinity" : counting ? "counts as 0" : "does not count";
    words.push(`Padding (${counted(outside, "cell")}) ${role}.`);
  }
  if (largest > 1) words.push(`${largest} are equal and largest: the first of them wins.`);
  if (max) words.push(`Winner: ${named("x", winners[i], P)}.`);
  const sum = (part) => (max ? `max(${inputs.map(part).join(", ")})`
    : `(${inputs.map(part).join(" + ")})/${counts[i]}`);
  const numbers = sum((p) => (max ? shown : factor)(x[p]));
  const names = sum((p) => named("x", p, P));
  return `${words.join(" ")}\n${named("a", i, I)} = ${names}\n  = ${numbers}\n  = ${shown(a[i])}`;
}

function deltaSum({ shapes: [I, , P], rows, da, dx, max, winners, counts }, p) {
  const outputs = rows.filter((row) => row[INPUT] === p).map(([i]) => i);
  const giving = outputs.filter((i) => !max || winners[i] === p);
  const over = (i) => (max ? "" : `/${counts[i]}`);
  const sum = (part) => giving.map((i) => part(i) + over(i)).join(" + ") || "0";
  return `Input ${tuple(unflatten(p, P))} of sample 0, channel 0, went into ` +
    `${counted(outputs.length, "output")}${max ? ` and won ${giving.length} of them` : ""}.\n` +
    `${named("dx", p, P)} = ${sum((i) => named("da", i, I))}\n` +
    `  = ${sum((i) => factor(da[i]))}\n  = ${shown(dx[p])}`;
}

// Where the delta of an output goes.
function sentOut(seen, i) {
  const { shapes: [I, , P], da, max, winners, counts } = seen;
  const inputs = max ? [winners[i]] : windowOf(seen, i);
  const whom = max ? "to the winner of its window" : `in ${counts[i]} equal shares to its window`;
  const share = max ? shown(da[i]) : `${factor(da[i])}/${counts[i]} = ${shown(da[i] / counts[i])}`;
  return `The delta of output ${tuple(unflatten(i, I))} goes ${whom}.\n` +
    `${named("da", i, I)} = ${shown(da[i])}\n  adds ${share}\n` +
    `  to ${inputs.map((p) => named("dx", p, P)).join(", ")}`;
}

// ---- What each grid shows: { label, first, end, content }, see Board

// A number in a cell, in three digits.
const short = (value) => String(Number(value.toPrecision(3)));

// `lit`: a set of flat places for each side of the table, the partners of what is looked at.
function pictures(seen, lit) {
  const { axes, rows, shapes, side, here, max, winners, counts, x, a, da, dx } = seen;
  const [I, U, P] = shapes;
  const winning = new Set(max ? [...lit[OUTPUT]].map((i) => winners[i]) : []);
  const equal = new Set(rows.filter(([i, , p]) =>
    max && lit[OUTPUT].has(i) && x[p] === a[i]).map(([, , p]) => p));
  const role = (p) => (winning.has(p) ? ["won"] : equal.has(p) ? ["tie"] : []);

  const plain = (label, letter, own, kind, values, more = () => []) => ({
    label: `${label}, ${shapes[own].join(" × ")}`, first: shapes[own].map(() => 0),
    end: shapes[own],
    content(index) {
      const flat = flatten(index, shapes[own]);
      const chosen = own === side && flat === here;
      const marks = chosen ? ["chosen"] : lit[own].has(flat) ? ["partner"] : [];
      return {
        flat, text: short(values[flat]), kind, marks: [...marks, ...more(flat)],
        name: `${letter}[${index}]`,
      };
    },
  });
  const outside = { text: max ? "−∞" : seen.count_padding ? "0" : "–", kind: "padding" };
  const input = plain("input x", "x", INPUT, "input", x, role);
  const padded = {
    ...input, first: axes.map((axis) => -Math.max(0, axis.before)),
    end: axes.map((axis) => axis.inputs + axis.after),
    content: (index) => (inside(index, P) ? input.content(index)
      : { ...outside, marks: covered(index) ? ["partner"] : [], name: "padding" }),
  };

  // The window over the chosen output, or the deltas that come back to the chosen input.
  const own = rows.filter((row) => row[side] === here);
  const through = new Map(own.map((row) => [row[WEIGHT], row]));
  const covered = (index) => index.every((p, n) => {
    const ends = [0, U[n] - 1].map((u) => axes[n].input(unflatten(here, I)[n], u));
    return Math.min(...ends) <= p && p <= Math.max(...ends);
  });
  const dot = String(axes.map((axis) => range(axis.kernel).find((u) => axis.input(0, u) === 0)));
  const back = side === INPUT;
  const frame = {
    label: back ? "back through the window" : `window, ${U.join(" × ")}`,
    first: U.map(() => 0), end: U,
    content(index) {
      const flat = flatten(index, U);
      const [i, , p] = through.get(flat) ?? [];
      const marks = lit[WEIGHT].has(flat) ? ["partner"] : [];
      if (String(index) === dot) marks.push("center");
      const cell = { flat, kind: "weight", marks, name: `window[${index}]` };
      if (i === undefined) {
        return { ...cell, ...(back ? { text: "–", kind: "padding" } : outside) };
      }
      if (!back) return { ...cell, text: short(x[p]), marks: [...marks, ...role(p)] };
      const won = !max || winners[i] === p;
      const share = won ? da[i] / (max ? 1 : counts[i]) : 0;
      return { ...cell, text: short(share), kind: won ? "weight" : "zero" };
    },
  };
  if (!back) {
    return {
      input: padded, window: frame, output: plain("output a", "a", OUTPUT, "output", a),
    };
  }
  const fate = (i) => (max && lit[OUTPUT].has(i) && lit[INPUT].size === 1
    ? [lit[INPUT].has(winners[i]) ? "won" : "lost"] : []);
  return {
    input,
    deltas: plain("deltas da", "da", OUTPUT, "delta", da, fate),
    window: frame,
    dx: plain("dx, what each input owes", "dx", INPUT, "delta", dx,
      (p) => (winning.has(p) ? ["won"] : [])),
  };
}

// A field for a number, one number for each axis (2,3) or a pair for each axis (1,0;0,1).
function field({ label, onChange }) {
  const numbers = (text) => {
    const parts = text.split(",").filter((part) => part.trim() !== "").map(Number);
    return text.includes(",") ? parts : parts[0] ?? null;
  };
  const control = element("input", {
    size: 4,
    onchange: () => {
      const pairs = control.value.split(";").filter((part) => part.trim() !== "").map(numbers);
      onChange(control.value.includes(";") ? pairs : pairs[0] ?? null);
    },
  });
  const line = (value) => [value].flat().join(",");
  return {
    element: labelled(label, control),
    set(value) {
      const pairs = Array.isArray(value?.[0]);
      control.value = pairs ? value.map(line).join(";") + ";".repeat(value.length === 1)
        : line(value);
    },
  };
}

function render({ model, el }) {
  let seen; // what is on the screen
  let hovered = null; // [side, flat place] of a cell beside the lens's own grid
  const present = () => Object.fromEntries(TRAITS.map((name) => [name, model.get(name)]));

  function change(changes) {
    try {
      const next = look({ ...present(), ...changes });
      TRAITS.forEach((name) => model.set(name, next[name]));
      model.save_changes();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      refuse(error.message);
    }
  }

  function refuse(reason) {
    redraw(); // the controls go back
    sum.refuse(reason);
  }

  // ---- Grids

  const choose = (flat) => {
    if (flat === undefined) return;
    hovered = null;
    change({ position: unflatten(flat, seen.shapes[seen.side]) });
  };
  const light = (side) => (flat) => {
    if (side === seen.side) return choose(flat);
    hovered = flat === undefined ? null : [side, flat];
    return redraw();
  };
  const beside = (side) => ({ choose: light(side), hover: light(side) });
  const edit = (name, side, letter) => (flat, value) => {
    if (flat === undefined) return refuse("padding has no number of its own to change");
    if (!Number.isFinite(value)) return refuse("that is no number; the cell keeps the one it has");
    const values = [...seen[letter]];
    if (short(value) !== short(values[flat])) values[flat] = value;
    const width = seen.shapes[side].at(-1);
    const rows = range(values.length / width).map((r) => values.slice(r * width, (r + 1) * width));
    return change({ [name]: seen.shapes[side].length === 1 ? values : rows });
  };
  const editInput = edit("input", INPUT, "x");
  const recentre = (flat) =>
    change({ center: unflatten(flat, seen.shapes[WEIGHT]), padding: null });
  const boards = {
    input: new Board("input", { ...beside(INPUT), edit: editInput }),
    deltas: new Board("delta", { ...beside(OUTPUT), edit: edit("deltas", OUTPUT, "da") }),
    window: new Board("weight", { ...beside(WEIGHT), act: recentre }),
    output: new Board("output", beside(OUTPUT)),
    dx: new Board("delta", beside(INPUT)),
  };
  const frame = boards.window.grid;
  frame.table.addEventListener("click", (event) => {
    const cell = frame.find(event.target);
    if (cell) recentre(boards.window.drawn[cell[0]][cell[1]].flat);
  });

  // ---- Controls, each with what it shows of the state

  // The other lens at a cell that belongs to the present one: a winner, or an output it went into.
  function turn(lens) {
    const [i, , p] = seen.rows.find((row) => row[seen.side] === seen.here) ?? [0, 0, 0];
    const [I, , P] = seen.shapes;
    const place = lens === "forward" ? unflatten(i, I) : unflatten(seen.winners?.[i] ?? p, P);
    if (lens !== seen.lens) change({ lens, position: place });
  }

  // Lifts the last smaller input of the window to the largest; of several windows, of the first.
  function tie() {
    const own = seen.rows.find((row) => row[seen.side] === seen.here);
    if (!own) return refuse("no window meets this input");
    const lower = windowOf(seen, own[OUTPUT]).filter((p) => seen.x[p] < seen.a[own[OUTPUT]]);
    if (!lower.length) return refuse("all inputs of this window are equal already");
    return editInput(lower.at(-1), seen.a[own[OUTPUT]]);
  }

  const ways = {
    none: () => ({ padding: null, center: null }),
    same: () => ({ padding: "same", center: null }),
    full: () => ({ padding: "full", center: null }),
    own: () => {
      const pads = seen.axes.map((axis) => [axis.before, axis.after]);
      const alike = new Set(pads.flat()).size === 1;
      return { padding: alike ? pads[0][0] : pads, center: null };
    },
    center: () => ({ padding: null, center: seen.shapes[WEIGHT].map((n) => (n - 1) >> 1) }),
  };
  const way = ({ padding, center }) => (center !== null ? "center"
    : padding === null || padding === "valid" ? "none" : padding in ways ? padding : "own");
  const choice = (name, label, texts, onChange) => [
    radios({ label, onChange, options: WORDS[name].map((word, n) => [word, texts[n]]) }),
    (state) => state[name],
  ];
  const cellsOfPadding = field({ label: "cells", onChange: (padding) => change({ padding }) });
  const counting = tick({
    label: "padding counts", onChange: (value) => change({ count_padding: value }),
  });
  const shows = [
    choice("lens", "Lens", ["forward", "delta"], turn),
    choice("pool", "Keep", ["the maximum", "the average"], (pool) => change({ pool })),
    [field({ label: "window", onChange: (size) => change({ window: size }) }),
      (state) => state.window],
    [field({ label: "stride", onChange: (stride) => change({ stride }) }),
      (state) => state.stride ?? state.window],
    [menu({
      label: "padding", onChange: (name) => change(ways[name]()),
      options: [["none", "none"], ["same", "same"], ["full", "full"], ["own", "own number"],
        ["center", "by centre"]],
    }), way],
    [cellsOfPadding, ({ padding }) => padding],
    [counting, (state) => state.count_padding],
    [tick({ label: "flip", onChange: (flip) => change({ flip }) }), (state) => state.flip],
  ];
  const tieButton = button("Make a tie", tie);
  const sum = statement();
  const steps = player({
    quiet: sum.quiet, step: () => choose((seen.here + 1) % cells(seen.shapes[seen.side])),
  });
  const note = element("p", { class: "cnn-note" });
  const place = element("div", { class: "cnn-grids" });

  function redraw() {
    try {
      seen = look(present());
    } catch (error) {
      if (seen && error instanceof InputError) return; // Python sends one by one
      throw error;
    }
    const [from, flat] = hovered ?? [seen.side, seen.here];
    const own = from === WEIGHT; // a cell of the window belongs to the chosen cell
    const rows = seen.rows.filter((row) =>
      row[from] === flat && (!own || row[seen.side] === seen.here));
    const lit = [OUTPUT, WEIGHT, INPUT].map((side) => new Set(rows.map((row) => row[side])));
    const drawn = pictures(seen, lit);
    Object.entries(drawn).forEach(([name, grid]) => boards[name].draw(grid));
    const wanted = Object.keys(drawn).map((name) => boards[name].element);
    if (wanted.some((board, n) => board !== place.children[n])) place.replaceChildren(...wanted);
    shows.forEach(([control, value]) => control.set(value(seen)));
    cellsOfPadding.element.hidden = way(seen) !== "own";
    counting.element.hidden = seen.max;
    tieButton.hidden = !seen.max;
    const text = from === OUTPUT && seen.side === INPUT ? sentOut(seen, flat)
      : seen.side === OUTPUT ? forwardSum(seen, seen.here) : deltaSum(seen, seen.here);
    if (text !== said) sum.say(text);
    said = text;
    write(note, !seen.max ? "Every input of a window counts alike, and gets an equal share back."
      : "★ wins, = ties with the winner, ✕ lost: its delta goes elsewhere.");
  }

  let said = "";
  let waiting = false; // several changes at once are drawn once
  const soon = () => {
    if (!waiting) queueMicrotask(() => { waiting = false; redraw(); });
    waiting = true;
  };
  el.classList.add("cnn-explorer", "cnn-pooling");
  el.append(
    element("div", { class: "cnn-controls" }, ...shows.map(([control]) => control.element),
      tieButton, steps.element),
    place, note, sum.element,
    element("p", { class: "cnn-hint" }, "Arrow keys, a touch or the mouse choose a cell. A click " +
      "on a cell of the window, or Enter, makes it the centre. A double click, F2 or a digit " +
      "edits a number."),
  );
  redraw();
  const forget = whenChanged(model, TRAITS, soon);
  return () => { steps.stop(); forget(); };
}

export default { render, check: look };
