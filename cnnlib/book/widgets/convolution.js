// The explorer of the convolution: three lenses on one connection table.

// A 3 of scikit-learn's digits, and the palace's roofs in its photograph china.jpg (by
// danielbuechele, CC BY 2.0), each number the mean brightness of 28 by 28 pixels.
const PICTURES = {
  digit: [
    [0, 0, 7, 15, 13, 1, 0, 0], [0, 8, 13, 6, 15, 4, 0, 0], [0, 2, 1, 13, 13, 0, 0, 0],
    [0, 0, 2, 15, 11, 1, 0, 0], [0, 0, 0, 1, 12, 12, 1, 0], [0, 0, 0, 0, 1, 10, 8, 0],
    [0, 0, 8, 4, 5, 14, 9, 0], [0, 0, 7, 13, 13, 9, 0, 0],
  ],
  photograph: [
    [213, 215, 217, 219, 173, 223, 226, 229, 232], [214, 215, 218, 212, 116, 215, 226, 229, 232],
    [215, 209, 192, 158, 121, 112, 183, 227, 231], [161, 87, 79, 49, 65, 69, 61, 94, 193],
    [210, 96, 63, 59, 82, 92, 96, 133, 227], [118, 47, 51, 67, 76, 77, 79, 101, 157],
    [163, 48, 42, 49, 70, 70, 65, 92, 168], [122, 41, 42, 63, 89, 89, 91, 129, 158],
    [53, 41, 41, 77, 91, 92, 93, 92, 135],
  ],
};
const [OUTPUT, WEIGHT, INPUT] = [0, 1, 2]; // the sides of a row [i, u, p] of the table
const LENSES = {
  forward: { side: OUTPUT, quantity: "z" }, delta: { side: INPUT, quantity: "dx" },
  weight: { side: WEIGHT, quantity: "dw" },
};
const LARGEST = 10;
const TRAITS = [
  "lens", "position", "stride", "dilation", "padding", "center", "flip", "input", "kernel", "bias",
  "deltas", "rotated",
];

// ---- What a state says: everything that is drawn is read from here

function readGrid(name, values) {
  const one = Array.isArray(values) && !values.some(Array.isArray);
  const rows = one ? [values] : values;
  const width = rows?.[0]?.length ?? 0;
  const wrong = (reason) => new InputError(`${name} ${reason}`);
  if (!Array.isArray(rows) || !rows.every((row) => Array.isArray(row) && row.length === width)) {
    throw wrong("is no list of numbers or of equally long rows");
  }
  if (!rows.flat().every(Number.isFinite)) {
    throw wrong("holds a number that is not finite; replace it");
  }
  if (Math.max(rows.length, width) > LARGEST) {
    throw wrong(`has ${rows.length} by ${width} cells; expected at most ${LARGEST} along an axis`);
  }
  return one ? [width] : [rows.length, width];
}

// Throws an InputError where the state cannot be. The chosen cell and the deltas follow the grids.
function look(state) {
  if (!Object.hasOwn(LENSES, state.lens)) {
    throw new InputError(`lens is ${repr(state.lens)}; expected 'forward', 'delta' or 'weight'`);
  }
  if (!Number.isFinite(state.bias)) throw new InputError("bias is no finite number; replace it");
  const { side, quantity } = LENSES[state.lens];
  const [P, U] = [readGrid("input", state.input), readGrid("kernel", state.kernel)];
  const window = new Window(U, state);
  const axes = window.axes(P);
  const I = axes.map((axis) => axis.outputs);
  const shapes = [I, U, P];
  const place = [state.position].flat();
  const position = shapes[side].map((size, n) => Math.max(0, Math.min(place[n] ?? 0, size - 1)));
  const fits = state.deltas !== null && String(readGrid("deltas", state.deltas)) === String(I);
  const deltas = fits ? state.deltas : null;
  const spare = range(cells(I)).map((m) => ((5 * m + 3) % 7) - 2);
  const x = tensor(state.input, [1, ...P, 1]);
  const w = tensor(state.kernel, [1, ...U, 1]);
  const dz = tensor(deltas ?? spare, [1, ...I, 1]);
  const b = state.bias ? [state.bias] : null;
  const rows = window.connections(P);
  const own = axes.map((axis) => range(axis.kernel).find((u) => axis.input(0, u) === 0));
  return {
    ...state, position, deltas, side, axes, rows, shapes,
    dot: window.center ?? (own.includes(undefined) ? null : own), // a padding is a centre too
    x: x.data, w: w.data, dz: dz.data,
    z: conv(x, w, b, rows, I).data,
    dx: convDelta(dz, w, x.shape, rows).data,
    dw: convWeightGradient(x, dz, U, rows).data,
    sum: explain(quantity, [0, ...position, 0], { x, w, b, dz }, window),
  };
}

// ---- What each grid shows: { label, first, end, content }, see Board; `lit` are flat places. The
// kernel comes first: a click on it may change the others' sizes, and must not move it.

function pictures(seen, lit) {
  const { axes, position, lens, flip, dot, shapes, w, x, dz } = seen;
  const [I, U, P] = shapes;
  const mine = LENSES[lens].quantity;

  // A number for each cell on one side of the table. `more(index, flat)` adds marks and a tag.
  const plain = (label, letter, side, kind, values, more = () => ({})) => ({
    label: `${label}, ${shapes[side].join(" × ")}`, first: I.map(() => 0), end: shapes[side],
    content(index) {
      const flat = flatten(index, shapes[side]);
      const chosen = letter === mine && String(index) === String(position);
      const { marks = [], tag } = more(index, flat);
      return {
        flat, text: shown(values[flat]), kind, name: `${letter}[${index}]`, tag,
        marks: [...(chosen ? ["chosen"] : lit[side].has(flat) ? ["partner"] : []), ...marks],
      };
    },
  });

  // What lies on a grid: from pairs of a cell and a number to the marks of each cell.
  const lying = (pairs) => {
    const known = new Map(pairs.map(([cell, value]) => [String(cell), `×${shown(value)}`]));
    return (index) => {
      const tag = known.get(String(index));
      const mark = lens === "weight" ? "times-delta" : "covered";
      return tag === undefined ? {} : { tag, marks: [mark] };
    };
  };
  const nothing = (kind, name, index, { tag, marks = [] }) => ({
    text: "0", kind, name: `${name} [${index}]`, tag,
    marks: tag && kind === "padding" ? [...marks, "hangs-over"] : marks,
  });

  const input = (pairs) => {
    const on = lying(pairs);
    const own = plain("input x", "x", INPUT, "input", x, on);
    return {
      label: own.label,
      first: axes.map((axis) => -Math.max(0, axis.before)),
      end: axes.map((axis) => axis.inputs + axis.after),
      content: (index) => {
        if (inside(index, P)) return own.content(index);
        return nothing("padding", "padding", index, on(index));
      },
    };
  };

  const dots = (index) => ({ marks: String(index) === String(dot) ? ["centre"] : [] });
  const kernel = plain("kernel w", "w", WEIGHT, "weight", w, dots);

  if (lens === "forward") {
    const places = indices(U).map((u) => met(axes, position, u));
    const factors = places.map((p) => (inside(p, P) ? x[flatten(p, P)] : 0));
    const products = plain("products w·x", "product", WEIGHT, "plain",
      factors.map((value, u) => value * w[u] + 0)); // + 0: no -0
    return {
      kernel,
      input: input(places.map((p, u) => [p, w[u]])),
      products: {
        ...products,
        content: (index) => (inside(places[flatten(index, U)], P)
          ? products.content(index)
          : { ...products.content(index), kind: "padding" }),
      },
      output: plain("output z", "z", OUTPUT, "output", seen.z),
    };
  }
  if (lens === "weight") {
    return {
      kernel,
      input: input(indices(I).map((i, flat) => [met(axes, i, position), dz[flat]])),
      deltas: plain("deltas dz", "dz", OUTPUT, "delta", dz),
      dw: plain("dw, what each weight owes", "dw", WEIGHT, "delta", seen.dw),
    };
  }
  const dx = plain("dx, what each input owes", "dx", INPUT, "delta", seen.dx);
  if (!seen.rotated) {
    const reached = seen.rows.filter((row) => row[INPUT] === flatten(position, P));
    const on = lying(reached.map(([i, u]) => [unflatten(i, I), w[u]]));
    return { kernel, dx, deltas: plain("deltas dz", "dz", OUTPUT, "delta", dz, on) };
  }

  // Output i stands at s*i among the zeros, and meets p through u where p = s*i + input(0, u):
  // a kernel that slides over places p - input(0, u).
  const starts = indices(U).map((u) => met(axes, I.map(() => 0), u));
  const on = lying(starts.map((start, u) => [position.map((p, n) => p - start[n]), w[u]]));
  const size = axes.map((axis) => axis.stride * (axis.outputs - 1) + 1);
  const low = axes.map((_, n) => -Math.max(...starts.map((start) => start[n])));
  const high = axes.map((_, n) => P[n] - 1 - Math.min(...starts.map((start) => start[n])));
  const deltas = plain("", "dz", OUTPUT, "delta", dz);
  const turn = (index) => (flip ? index : index.map((u, n) => U[n] - 1 - u));
  return {
    kernel,
    dx,
    turned: {
      ...kernel, label: flip ? "w, not rotated: the flip undoes it" : "w, rotated",
      content: (index) => kernel.content(turn(index)),
    },
    deltas: {
      label: "deltas dz with zeros between", first: low.map((n) => Math.min(0, n)),
      end: high.map((n, axis) => Math.max(size[axis], n + 1)),
      content(place) {
        if (!inside(place, size)) return nothing("padding", "padding", place, on(place));
        const cut = place.some((n, axis) => n < low[axis] || n > high[axis]);
        const i = place.map((n, axis) => n / axes[axis].stride);
        if (!i.every(Number.isInteger)) {
          return nothing(cut ? "cut" : "zero", "zero between", place, on(place));
        }
        const cell = deltas.content(i);
        const { tag, marks = [] } = on(place);
        return { ...cell, kind: cut ? "cut" : "delta", tag, marks: [...cell.marks, ...marks] };
      },
    },
  };
}

// What the sum does not say, in words.
function remark({ lens, rotated, axes, shapes: [I, U, P], position, flip }) {
  const hanging = (places) => places.filter((p) => !inside(p, P)).length;
  if (lens === "forward") {
    const n = hanging(indices(U).map((u) => met(axes, position, u)));
    return n ? `${n} of ${cells(U)} weights hang over, on dashed zeros: they have no row.` : "";
  }
  if (lens === "weight") {
    const n = hanging(indices(I).map((i) => met(axes, i, position)));
    return n ? `${n} of ${cells(I)} deltas lie on dashed zeros: they have no row.` : "";
  }
  if (!rotated) return "";
  const between = axes.map((axis) => axis.stride - 1).join(" and ");
  return `Zeros between the deltas: ${between}. The ${flip ? "" : "rotated "}kernel slides over ` +
    "them, one cell at a time. Crossed out: what it never reaches. The sum is the same.";
}

function render({ model, el }) {
  const given = model.get("input");
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
      redraw(); // the controls go back
      sum.refuse(error.message);
    }
  }

  // ---- Grids

  const choose = (flat) => {
    if (flat !== undefined) change({ position: unflatten(flat, seen.shapes[seen.side]) });
  };
  const light = (side) => (flat) => {
    hovered = flat === undefined ? null : [side, flat];
    redraw();
  };
  const beside = (side) => ({ choose: light(side), hover: light(side) });
  const edit = (name, side, letter) => (flat, value) => {
    if (flat === undefined) return;
    const shape = seen.shapes[side];
    const values = [...seen[letter]];
    values[flat] = value;
    const [width] = shape.slice(-1);
    const rows = range(values.length / width).map((r) => values.slice(r * width, (r + 1) * width));
    change({ [name]: shape.length === 1 ? values : rows });
  };
  const recentre = (flat) =>
    change({ center: unflatten(flat, seen.shapes[WEIGHT]), padding: null });
  const own = { choose, hover: choose };
  const boards = {
    input: new Board("input", { ...beside(INPUT), edit: edit("input", INPUT, "x") }),
    kernel: new Board("weight", {
      ...beside(WEIGHT), edit: edit("kernel", WEIGHT, "w"), act: recentre,
    }),
    turned: new Board("weight", beside(WEIGHT)),
    products: new Board("plain", beside(WEIGHT)),
    output: new Board("output", own),
    deltas: new Board("delta", { ...beside(OUTPUT), edit: edit("deltas", OUTPUT, "dz") }),
    dx: new Board("delta", own),
    dw: new Board("delta", own),
  };
  // A click makes a weight the centre; a double click edits it, and the centre stays where it was.
  const weights = boards.kernel.grid;
  let before = {};
  weights.table.addEventListener("click", (event) => {
    const cell = weights.find(event.target);
    if (!cell || event.detail > 1) return;
    before = { center: model.get("center"), padding: model.get("padding") };
    recentre(boards.kernel.drawn[cell[0]][cell[1]].flat);
  });
  weights.table.addEventListener("dblclick", () => change(before));

  // ---- Controls, each with what it shows of the state

  const pairs = ({ axes }) => axes.map((axis) => [axis.before, axis.after]);
  const ways = {
    valid: () => ({ padding: null, center: null }),
    same: () => ({ padding: "same", center: null }),
    full: () => ({ padding: "full", center: null }),
    own: () => ({ padding: pairs(seen), center: null }),
    center: () => ({ padding: null, center: seen.dot ?? seen.shapes[WEIGHT].map((n) => n >> 1) }),
  };
  const way = ({ padding, center }) =>
    (center !== null ? "center" : padding === null ? "valid" : padding in ways ? padding : "own");
  const picture = (name) =>
    (name === "own" ? given : seen.shapes[INPUT].length === 1 ? PICTURES[name][3] : PICTURES[name]);
  const pictured = () =>
    Object.keys(PICTURES).find((name) => String(picture(name)) === String(seen.input));
  const whole = (name, min) => [
    number({ label: name, min, onChange: (value) => change({ [name]: value }) }),
    (state) => state[name],
  ];
  const side = (label, axis, end) => [ // axis -1 is the last one
    number({
      label, min: 0,
      onChange: (value) => {
        const pads = pairs(seen);
        pads.at(axis)[end] = value;
        change({ padding: pads });
      },
    }),
    (state) => pairs(state).at(axis)?.[end],
  ];
  const sides = [
    side("above", -2, 0), side("below", -2, 1), side("left", -1, 0), side("right", -1, 1),
  ];
  const rotated = tick({
    label: "as a rotated kernel that slides over the deltas with zeros between",
    onChange: (value) => change({ rotated: value }),
  });
  const shows = [
    [radios({
      label: "Lens", onChange: (lens) => change({ lens }),
      options: [["forward", "forward"], ["delta", "delta"], ["weight", "weight gradient"]],
    }), ({ lens }) => lens],
    [menu({
      label: "kind", onChange: (flip) => change({ flip }),
      options: [[false, "cross-correlation"], [true, "convolution"]],
    }), ({ flip }) => flip],
    whole("stride", 1),
    whole("dilation", 1),
    [menu({
      label: "padding", onChange: (name) => change(ways[name]()),
      options: [
        ["valid", "valid"], ["same", "same"], ["full", "full"], ["own", "own number"],
        ["center", "by centre"],
      ],
    }), way],
    ...sides,
    [menu({
      label: "input", onChange: (name) => change({ input: picture(name) }),
      options: [["own", "own numbers"], ["digit", "a digit"], ["photograph", "a photograph"]],
    }), () => pictured() ?? "own"],
    whole("bias"),
    [rotated, (state) => state.rotated],
  ];
  const sum = statement();
  const steps = player({
    quiet: sum.quiet,
    step: () => {
      const shape = seen.shapes[seen.side];
      choose((flatten(seen.position, shape) + 1) % cells(shape));
    },
  });
  const note = element("p", { class: "cnn-note" });
  const place = element("div", { class: "cnn-grids" });

  function redraw() {
    seen = look(present());
    const chosen = flatten(seen.position, seen.shapes[seen.side]);
    const [from, flat] = hovered ?? [seen.side, chosen];
    const rows = seen.rows.filter((row) => row[from] === flat);
    const lit = [OUTPUT, WEIGHT, INPUT].map((one) => new Set(rows.map((row) => row[one])));
    const drawn = pictures(seen, lit);
    Object.entries(drawn).forEach(([name, grid]) => boards[name].draw(grid));
    const wanted = Object.keys(drawn).map((name) => boards[name].element);
    if (wanted.some((board, n) => board !== place.children[n])) place.replaceChildren(...wanted);
    shows.forEach(([control, value]) => control.set(value(seen)));
    sides.forEach(([control, value]) => {
      control.element.hidden = way(seen) !== "own" || value(seen) === undefined;
    });
    rotated.element.hidden = seen.lens !== "delta";
    const text = written(seen.sum);
    if (text !== said) sum.say(text);
    said = text;
    write(note, remark(seen));
  }

  let said = "";
  let waiting = false; // several changes at once are drawn once
  const soon = () => {
    if (!waiting) queueMicrotask(later);
    waiting = true;
  };
  const later = () => {
    waiting = false;
    try {
      redraw();
    } catch (error) { // of a new input and kernel, say, one has come from Python: the other follows
      if (!(error instanceof InputError)) throw error;
    }
  };
  el.classList.add("cnn-explorer", "cnn-convolution");
  el.append(
    element("div", { class: "cnn-controls" }, ...shows.map(([control]) => control.element),
      steps.element),
    place, note, sum.element,
    element("p", { class: "cnn-hint" }, "Arrow keys, a touch or the mouse choose a cell. A click " +
      "on a weight, or Enter, makes it the centre. A double click, F2 or a digit edits a number."),
  );
  redraw();
  const forget = whenChanged(model, TRAITS, soon);
  return () => { steps.stop(); forget(); };
}

export default { render, check: look };
