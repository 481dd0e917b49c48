// Grids of numbers, and the one set of gestures on them:
//   the mouse over a cell looks at it, and off the grid looks away;
//   a click, a tap, an arrow key, Enter or Space pins it;
//   a double click, F2, Enter or a digit edits it, where the grid is edited; Escape gives back;
//   the dot of the centre is dragged, and the key c puts it on the cell that has the focus.
// A page that scrolls under a resting mouse does none of this.

import { attribute, element, freshId, write } from "./elements.js";
import { readNumber } from "./numbers.js";
import { range } from "./sums.js";

/** @typedef {[number, number]} Cell row and column on the screen */
/** @typedef {{ text: string, kind?: string, marks?: string[], name?: string, tag?: string, flat?: number, exact?: number, shade?: number, ground?: string, from?: string }} Content */

export class Grid {
  kind; onPin; onLook; onEdit; onCentre; onEscape;
  /** The number of a cell in all its digits. @type {((cell: Cell) => string) | undefined} */
  exactly;

  /**
   * @param {{ label: string, kind: string, onPin?: (cell: Cell) => void,
   *   onLook?: (cell: Cell | null) => void, onEdit?: (cell: Cell, value: number, text: string) => void,
   *   onCentre?: (cell: Cell) => void, onEscape?: () => void }} options
   */
  constructor({ label, kind, onPin, onLook, onEdit, onCentre, onEscape }) {
    Object.assign(this, { kind, onPin, onLook, onEdit, onCentre, onEscape });
    /** @type {Cell} */ this.chosen = [0, 0];
    /** @type {HTMLElement[][]} */ this.cells = [];
    this.editor = null;
    this.looked = "";
    const id = freshId("grid");
    this.title = element("div", { class: "cnn-title", id }, label);
    this.table = element("div", { role: "grid", "aria-labelledby": id, class: "cnn-cells" });
    this.scroll = element("div", { class: "cnn-scroll" }, this.table);
    this.element = element("div", { class: "cnn-grid" }, this.title, this.scroll);
    this.table.addEventListener("click", (event) => {
      const cell = this.find(event.target);
      if (!cell || this.editor) return;
      this.focus(cell);
      this.onPin?.(cell);
    });
    this.table.addEventListener("dblclick", (event) => {
      const cell = this.find(event.target);
      if (cell) this.edit(cell);
    });
    this.table.addEventListener("pointermove", (event) => this.look(event));
    this.table.addEventListener("pointerleave", () => {
      if (this.looked) this.onLook?.(null);
      this.looked = "";
    });
    this.table.addEventListener("keydown", (event) => this.press(event));
    if (onCentre) this.table.addEventListener("pointerdown", (event) => this.drag(event));
  }

  // After a scroll a browser tells of a mouse that has not moved.
  look(event) {
    if (event.pointerType === "touch" || (!event.movementX && !event.movementY)) return;
    const cell = this.find(event.target);
    if (!cell || String(cell) === this.looked) return;
    this.looked = String(cell);
    this.onLook?.(cell);
  }

  // cells[row][column]: `ground` is a class that makes a background of `shade`, 0 to 1; `kind` overrides the grid's, `name` is what a screen reader says before the
  // text, null leaves a gap. A cell with the mark "centre" has the dot.
  draw(cells, { rows = [], columns = [], label } = /** @type {any} */ ({})) {
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
      ? [element("div", { role: "row", class: "cnn-row cnn-heads" },
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
    this.chosen = /** @type {Cell} */ (this.chosen.map((n, axis) =>
      Math.max(0, Math.min(n, (axis ? cells[0].length : cells.length) - 1))));
    const [r, c] = this.chosen;
    this.cells[r][c].tabIndex = 0;
    if (focused) this.cells[r][c].focus();
  }

  paint(node, cell) {
    const { text, kind = this.kind, marks = [], name = "", exact, shade, ground } = cell ?? { text: "", kind: "gap" };
    const long = text.length > 3 ? [`long${Math.min(text.length, 6)}`] : [];
    const looks = ["cnn-cell", kind, ...marks, ...long, ...(ground ? [ground] : [])].join(" ");
    if (node.className !== looks) node.className = looks;
    if (ground) node.style.setProperty("--shade", String(shade));
    write(node.firstChild, String(text));
    const said = [name, exact ?? text, ...marks].filter((word) => word !== "").join(", ");
    attribute(node, "aria-label", said);
    attribute(node, "aria-selected", String(marks.includes("chosen")));
    if (!this.onCentre) return;
    const dot = node.querySelector(".cnn-dot");
    if (marks.includes("centre") && !dot) {
      node.append(element("b", { class: "cnn-dot", title: "the centre, which lies on the output's own place: drag it" }));
    } else if (!marks.includes("centre")) dot?.remove();
  }

  /** @returns {Cell | null} */
  find(target) {
    const node = target?.closest?.('[role="gridcell"]');
    const r = this.cells.findIndex((row) => row.includes(node));
    return r < 0 ? null : [r, this.cells[r].indexOf(node)];
  }

  // Makes a cell the one that Tab reaches, without telling anyone.
  focus([r, c], focusing = true) {
    const [oldR, oldC] = this.chosen;
    this.cells[oldR][oldC].tabIndex = -1;
    this.chosen = [r, c];
    this.cells[r][c].tabIndex = 0;
    if (focusing) this.cells[r][c].focus({ preventScroll: true });
  }

  press(event) {
    if (this.editor || event.ctrlKey || event.metaKey || event.altKey) return;
    const [r, c] = this.find(event.target) ?? this.chosen;
    const last = [this.cells.length - 1, this.cells[0].length - 1];
    const moves = {
      ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1],
      Home: [r, 0], End: [r, last[1]],
    };
    const { key } = event;
    if (key in moves) {
      const to = /** @type {Cell} */ (moves[key].map((n, axis) => Math.max(0, Math.min(n, last[axis]))));
      this.focus(to);
      this.cells[to[0]][to[1]].scrollIntoView({ block: "nearest", inline: "nearest" });
      this.onPin?.(to);
    } else if (this.onEdit && (key === "F2" || key === "Enter" || /^[-−\d.]$/.test(key))) {
      this.edit([r, c], key.length === 1 ? key : undefined);
    } else if (key === "Enter" || key === " ") this.onPin?.([r, c]);
    else if (key === "c") this.onCentre?.([r, c]);
    else if (key === "Escape") this.onEscape?.();
    else return;
    event.preventDefault();
  }

  edit([r, c], typed) {
    if (!this.onEdit || this.editor) return;
    const node = this.cells[r][c];
    const exact = this.exactly?.([r, c]) ?? node.firstChild.textContent;
    const input = element("input", {
      class: "cnn-edit", inputmode: "text", "aria-label": "new number, then Enter",
      value: typed ?? exact, autocomplete: "off",
    });
    const close = (keep) => {
      if (this.editor !== input) return;
      this.editor = null;
      const text = input.value.trim();
      input.remove();
      node.focus({ preventScroll: true });
      if (keep && text !== "" && text !== exact) this.onEdit([r, c], readNumber(text), text);
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "Escape") close(event.key === "Enter");
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    input.addEventListener("blur", () => close(true));
    this.editor = input;
    node.append(input);
    input.focus({ preventScroll: true });
    if (typed === undefined) input.select();
    else input.setSelectionRange(typed.length, typed.length);
  }

  // The dot of the centre goes with the pointer; where it is let go, the centre is.
  drag(event) {
    if (!event.target.classList.contains("cnn-dot")) return;
    event.preventDefault();
    this.table.setPointerCapture(event.pointerId);
    const from = this.find(event.target);
    let over = null;
    const move = ({ clientX, clientY }) => {
      over?.classList.remove("drop");
      const node = document.elementsFromPoint(clientX, clientY).find((one) => this.find(one));
      over = node?.closest('[role="gridcell"]');
      over?.classList.add("drop");
    };
    const end = ({ type }) => {
      this.table.removeEventListener("pointermove", move);
      over?.classList.remove("drop");
      const to = this.find(over);
      if (type !== "pointerup") return;
      if (to && String(to) !== String(from)) return this.onCentre(to);
      this.focus(from); // it was a click
      this.onPin?.(from);
    };
    this.table.addEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel"]) {
      this.table.addEventListener(kind, end, { once: true });
    }
  }
}

/**
 * A Grid whose indices may begin below 0, and with the frame of what slides over it. It tells flat
 * places of its side of the table: pin(flat), look(flat or undefined), edit(flat, number, text),
 * centre(flat).
 */
export class Board {
  constructor(kind, { pin, look, edit, centre, escape } = /** @type {any} */ ({})) {
    const flatOf = (cell) => (cell ? this.drawn[cell[0]][cell[1]].flat : undefined);
    const told = (hear) => hear && ((cell, ...more) => hear(flatOf(cell), ...more));
    this.grid = new Grid({
      label: "", kind, onPin: told(pin), onLook: told(look), onEdit: told(edit),
      onCentre: told(centre), onEscape: escape,
    });
    this.grid.exactly = ([r, c]) => this.drawn[r][c].exact && String(this.drawn[r][c].exact);
    this.frame = element("div", { class: "cnn-frame", "aria-hidden": true });
    this.grid.scroll.append(this.frame);
    this.element = this.grid.element;
    /** @type {Content[][]} */ this.drawn = [];
  }

  /**
   * The cells from index `first` to before `end`; content(index) is a cell of Grid with its `flat`
   * place, if it has one, the `tag` that lies on it, and the index that a copy is `from`. Around all that have one goes the frame.
   */
  draw({ label, first, end, content }) {
    const [top, left] = [0, ...first].slice(-2);
    const [bottom, right] = [1, ...end].slice(-2);
    const rows = range(bottom - top).map((r) => r + top);
    const columns = range(right - left).map((c) => c + left);
    const oneRow = first.length === 1;
    this.drawn = rows.map((r) => columns.map((c) => content(oneRow ? [c] : [r, c])));
    this.grid.draw(this.drawn, { label, rows: oneRow ? [] : rows, columns });
    this.first = left;
    const lying = [];
    this.drawn.forEach((row, r) => row.forEach(({ tag, marks, from = "" }, c) => {
      const node = this.grid.cells[r][c];
      if (node.dataset.tag !== (tag ?? "")) {
        node.dataset.tag = tag ?? "";
        const lying = node.querySelector(".cnn-tag");
        const said = (tag ?? "").replace(/-/g, "−");
        if (lying) write(lying, said);
        else if (tag) node.append(element("i", { class: "cnn-tag" }, said));
      }
      if (node.dataset.from !== from) node.dataset.from = from;
      if (tag !== undefined) lying.push([r, c]);
      if (marks?.includes("chosen")) this.grid.focus([r, c], false); // where Tab enters
    }));
    this.frame.hidden = !lying.length;
    if (!lying.length) return;
    const [low, high] = [Math.min, Math.max].map((most) => [0, 1].map((n) => most(...lying.map((cell) => cell[n]))));
    const place = { "--row": low[0], "--column": low[1], "--tall": high[0] - low[0] + 1,
      "--wide": high[1] - low[1] + 1, "--head": oneRow ? 0 : 1 };
    for (const [name, value] of Object.entries(place)) this.frame.style.setProperty(name, String(value));
  }
}
