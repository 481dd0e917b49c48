// The parts that the explorers share: elements, grids of numbers, controls, the written sum.

// element("button", { class: "a", onclick: f, disabled: true }, "text", other)
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") made.style.cssText = value; // as an attribute, policies forbid it
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

let partCount = 0; // ids are unique on a page that shows several explorers
const freshId = (name) => `cnn-${name}-${Math.random().toString(36).slice(2, 8)}-${partCount++}`;

// A grid of cells, of which one is chosen. Arrow keys, a click or a touch choose; moving over a
// cell tells `onHover`; F2, a double click or typing a digit edits where `onEdit` is given.
// onChoose([row, column]), onHover([row, column] or null), onEdit([row, column], number),
// onAct([row, column]) for Enter or a click on the chosen cell.
class Grid {
  constructor({ label, kind, onChoose, onHover, onEdit, onAct }) {
    Object.assign(this, { kind, onChoose, onHover, onEdit, onAct, chosen: [0, 0], cells: [] });
    const id = freshId("grid");
    this.title = element("div", { class: "cnn-title", id }, label);
    this.table = element("div", { role: "grid", "aria-labelledby": id, class: "cnn-cells" });
    this.element = element("div", { class: "cnn-grid" }, this.title,
      element("div", { class: "cnn-scroll" }, this.table));
    const at = (event) => this.find(event.target);
    this.table.addEventListener("click", (event) => {
      const cell = at(event);
      if (!cell || this.editor) return;
      const again = String(cell) === String(this.chosen);
      this.focus(cell);
      this.onChoose?.(cell);
      if (again) this.onAct?.(cell);
    });
    this.table.addEventListener("dblclick", (event) => at(event) && this.edit(at(event)));
    this.table.addEventListener("pointerover", (event) => this.onHover?.(at(event)));
    this.table.addEventListener("pointerleave", () => this.onHover?.(null));
    this.table.addEventListener("keydown", (event) => this.press(event));
  }

  // cells[row][column] = { text, kind, marks: ["chosen", "partner", ...], name }: `kind` overrides
  // the grid's, `name` is what a screen reader says before the text, null leaves a gap.
  draw(cells, { rows = [], columns = [], label } = {}) {
    if (label !== undefined) write(this.title, label);
    const shape = `${cells.map((row) => row.length)}|${rows}|${columns}`;
    if (shape !== this.shape) this.build(cells, rows, columns, shape);
    cells.forEach((row, r) => row.forEach((cell, c) => this.paint(this.cells[r][c], cell)));
  }

  build(cells, rows, columns, shape) {
    const focused = this.table.contains(document.activeElement);
    this.shape = shape;
    this.editor = null;
    this.cells = cells.map((row) =>
      row.map(() => element("div", { role: "gridcell", tabindex: -1 }, element("span"))));
    const heads = columns.length
      ? [element("div", { role: "row", class: "cnn-row" },
        ...(rows.length ? [element("div", { role: "cell", class: "cnn-index" })] : []),
        ...columns.map((text) =>
          element("div", { role: "columnheader", class: "cnn-index" }, String(text))))]
      : [];
    this.table.replaceChildren(...heads, ...this.cells.map((row, r) =>
      element("div", { role: "row", class: "cnn-row" },
        ...(rows.length
          ? [element("div", { role: "rowheader", class: "cnn-index" }, String(rows[r]))]
          : []),
        ...row)));
    this.chosen = this.chosen.map((n, axis) =>
      Math.max(0, Math.min(n, (axis ? cells[0].length : cells.length) - 1)));
    const [r, c] = this.chosen;
    this.cells[r][c].tabIndex = 0;
    if (focused) this.cells[r][c].focus();
  }

  paint(node, cell) {
    const { text, kind = this.kind, marks = [], name = "" } = cell ?? { text: "", kind: "gap" };
    const looks = ["cnn-cell", kind, ...marks].join(" ");
    if (node.className !== looks) node.className = looks;
    write(node.firstChild, String(text));
    const said = [name, text, ...marks].filter((word) => word !== "").join(", ");
    if (node.getAttribute("aria-label") !== said) node.setAttribute("aria-label", said);
    const chosen = String(marks.includes("chosen"));
    if (node.getAttribute("aria-selected") !== chosen) node.setAttribute("aria-selected", chosen);
  }

  find(target) {
    const node = target.closest?.('[role="gridcell"]');
    const r = this.cells.findIndex((row) => row.includes(node));
    return r < 0 ? null : [r, this.cells[r].indexOf(node)];
  }

  // Makes a cell the one that Tab reaches, without telling onChoose.
  focus([r, c], focusing = true) {
    const [oldR, oldC] = this.chosen;
    this.cells[oldR][oldC].tabIndex = -1;
    this.chosen = [r, c];
    this.cells[r][c].tabIndex = 0;
    if (focusing) this.cells[r][c].focus({ preventScroll: true });
  }

  press(event) {
    if (this.editor || event.ctrlKey || event.metaKey || event.altKey) return;
    const [r, c] = this.chosen;
    const last = [this.cells.length - 1, this.cells[0].length - 1];
    const moves = {
      ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1],
      Home: [r, 0], End: [r, last[1]],
    };
    if (event.key in moves) {
      const to = moves[event.key].map((n, axis) => Math.max(0, Math.min(n, last[axis])));
      this.focus(to);
      this.cells[to[0]][to[1]].scrollIntoView({ block: "nearest", inline: "nearest" });
      this.onChoose?.(to);
    } else if (event.key === "Enter" || event.key === " ") this.onAct?.([r, c]);
    else if (event.key === "F2" || (this.onEdit && /^[-\d.]$/.test(event.key))) {
      this.edit([r, c], event.key === "F2" ? undefined : event.key);
    } else return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's own shortcuts must not see it
  }

  edit([r, c], typed) {
    if (!this.onEdit || this.editor) return;
    const node = this.cells[r][c];
    const input = element("input", {
      class: "cnn-edit", inputmode: "decimal", "aria-label": "new number, then Enter",
      value: typed ?? node.textContent,
    });
    const close = (keep) => {
      if (this.editor !== input) return;
      this.editor = null;
      input.remove();
      node.focus({ preventScroll: true });
      if (keep) this.onEdit([r, c], input.value.trim() === "" ? NaN : Number(input.value));
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" || event.key === "Escape") close(event.key === "Enter");
    });
    input.addEventListener("blur", () => close(true));
    this.editor = input;
    node.append(input);
    input.focus();
    if (typed === undefined) input.select();
    else input.setSelectionRange(typed.length, typed.length);
  }
}

// A Grid whose indices may begin below 0. It tells flat places of its side of the table: choose(flat),
// hover(flat or undefined), edit(flat, number), act(flat).
class Board {
  constructor(kind, { choose, hover, edit, act }) {
    const told = (hear) => hear && ((cell, ...more) => {
      const flat = cell ? this.drawn[cell[0]][cell[1]].flat : undefined;
      hear(flat, ...more);
    });
    this.grid = new Grid({
      label: "", kind, onChoose: told(choose), onHover: told(hover), onEdit: told(edit),
      onAct: told(act),
    });
    this.element = this.grid.element;
  }

  // The cells from index `first` to before `end`; content(index) is a cell of Grid with its `flat`
  // place, if it has one, and the `tag` that lies on it.
  draw({ label, first, end, content }) {
    const [top, left] = [0, ...first].slice(-2);
    const [bottom, right] = [1, ...end].slice(-2);
    const rows = range(bottom - top).map((r) => r + top);
    const columns = range(right - left).map((c) => c + left);
    const oneRow = first.length === 1;
    this.drawn = rows.map((r) => columns.map((c) => content(oneRow ? [c] : [r, c])));
    this.grid.draw(this.drawn, { label, rows: oneRow ? [] : rows, columns });
    this.drawn.forEach((row, r) => row.forEach(({ tag = "", marks }, c) => {
      const { dataset } = this.grid.cells[r][c];
      if (dataset.tag !== tag) dataset.tag = tag;
      if (marks.includes("chosen")) this.grid.focus([r, c], false); // where Tab enters
    }));
  }
}

// Writes a text only where it changed: a live region then speaks once, and nothing is laid out anew.
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function labelled(label, control) {
  control.id = freshId("control");
  return element("span", { class: "cnn-control" }, element("label", { for: control.id }, label),
    control);
}

// Each control: { element, set(value) }, and tells onChange(value) what the reader chose.
function menu({ label, options, onChange }) {
  const control = element("select", { onchange: () => onChange(options[control.selectedIndex][0]) },
    ...options.map(([, text]) => element("option", {}, text)));
  return {
    element: labelled(label, control),
    set(value) {
      const wanted = JSON.stringify(value);
      control.selectedIndex = options.findIndex(([v]) => JSON.stringify(v) === wanted);
    },
  };
}

function number({ label, min, max, onChange }) {
  const control = element("input", {
    type: "number", min, max, onchange: () => onChange(control.valueAsNumber),
  });
  return {
    element: labelled(label, control),
    set(value) { if (control.value !== String(value)) control.value = value; },
  };
}

function slider({ label, min, max, onChange }) {
  const control = element("input", {
    type: "range", min, max, oninput: () => onChange(control.valueAsNumber),
  });
  return {
    element: labelled(label, control),
    set(value, text = String(value)) {
      control.value = value;
      control.setAttribute("aria-valuetext", text);
    },
  };
}

function tick({ label, onChange }) {
  const control = element("input", { type: "checkbox", onchange: () => onChange(control.checked) });
  const box = element("label", { class: "cnn-control" }, control, label);
  return { element: box, set(value) { control.checked = value; } };
}

function radios({ label, options, onChange }) {
  const name = freshId("radio");
  const inputs = options.map(([value]) =>
    element("input", { type: "radio", name, onchange: () => onChange(value) }));
  return {
    element: element("fieldset", { class: "cnn-radios" }, element("legend", {}, label),
      ...options.map(([, text], i) => element("label", {}, inputs[i], ` ${text}`))),
    set(value) { options.forEach(([v], i) => { inputs[i].checked = v === value; }); },
  };
}

function button(label, onClick) {
  return element("button", { type: "button", onclick: onClick }, label);
}

// Play, pause, step. `step()` goes one on; `quiet(true)` silences the live region meanwhile.
function player({ step, quiet, pause = 900 }) {
  let timer = 0;
  const slow = matchMedia("(prefers-reduced-motion: reduce)").matches ? 2 : 1;
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    write(play, "Play");
    quiet?.(false);
  };
  const start = () => {
    quiet?.(true);
    timer = setInterval(step, pause * slow);
    write(play, "Pause");
  };
  const play = button("Play", () => (timer ? stop() : start()));
  const next = button("Step", () => { stop(); step(); });
  return { element: element("span", { class: "cnn-player" }, play, next), stop };
}

// The written sum: a live region, and beneath it the place where a refusal gives its reason.
function statement() {
  const said = element("pre", { class: "cnn-sum", role: "status", "aria-live": "polite" });
  const reason = element("p", { class: "cnn-refusal", role: "alert" });
  return {
    element: element("div", { class: "cnn-statement" }, said, reason),
    say: (text) => { write(said, text); write(reason, ""); },
    refuse: (text) => write(reason, text),
    quiet: (on) => said.setAttribute("aria-live", on ? "off" : "polite"),
  };
}

// A listener for each name; returns what takes them all off again.
function whenChanged(model, names, redraw) {
  names.forEach((name) => model.on(`change:${name}`, redraw));
  return () => names.forEach((name) => model.off(`change:${name}`, redraw));
}
