// How the parts of an explorer of grids are arranged; the style sheet sizes the cells by what is
// said here: how many columns and rows stand side by side.

import { connections } from "./lines.js";
import { element } from "./elements.js";

export function fold(summary, ...children) {
  return element("details", { class: "cnn-fold" }, element("summary", {}, summary), ...children);
}

export const folds = (...parts) => element("div", { class: "cnn-folds" }, ...parts);

/** The legend, and what the hand can do. */
export function legend(signs, gestures) {
  return fold("Signs and gestures",
    element("ul", { class: "cnn-signs" }, ...signs.map(([kind, text]) =>
      element("li", {}, element("i", { class: `cnn-cell ${kind}`, "aria-hidden": true }), text))),
    element("p", { class: "cnn-hint" }, gestures));
}

export const GESTURES = "The mouse over a cell shows what belongs to it; a click, a tap or an arrow key " +
  "keeps it. A double click, F2, Enter or a digit edits a number, fractions such as 1/9 too; Escape " +
  "gives back. Drag the dot to move the centre, or press c on a cell of the kernel.";

export class Stage {
  constructor() {
    this.lines = connections();
    this.aside = element("div", { class: "cnn-aside" });
    this.main = element("div", { class: "cnn-main" });
    this.element = element("div", { class: "cnn-grids" }, this.aside, this.main);
    this.names = "";
  }

  /**
   * Draws the pictures on their boards; `below` are elements that stand under one of them.
   * @param {Record<string, any>} boards
   * @param {{ aside: Record<string, any>, main: Record<string, any> }} drawn
   * @param {Record<string, any>} below
   */
  draw(boards, { aside, main }, below = {}) {
    for (const [name, picture] of [...Object.entries(aside), ...Object.entries(main)]) {
      boards[name].draw(picture);
    }
    const [beside, read] = [aside, main].map(Object.keys);
    const oneRow = Object.values(main)[0].first.length === 1;
    const names = `${beside}|${read}|${oneRow}`;
    if (names !== this.names) {
      const parts = read.map((name) => boards[name].element);
      this.aside.replaceChildren(...beside.map((name) =>
        element("div", { class: "cnn-with" }, boards[name].element, ...(below[name] ?? []))));
      this.main.replaceChildren(...(oneRow ? [parts[0], this.lines.element, ...parts.slice(1)] : parts));
      this.element.classList.toggle("one-row", oneRow);
    }
    this.names = names;
    this.measure(aside, main, oneRow);
  }

  measure(aside, main, oneRow) {
    const size = ({ first, end }) => [end.at(-1) - first.at(-1), first.length === 1 ? 1 : end[0] - first[0]];
    const [sides, wide] = [Object.values(aside).map(size), Object.values(main).map(size)];
    const most = (values) => Math.max(...values);
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const first = Math.min(...Object.values(main).map((picture) => picture.first.at(-1)));
    const last = Math.max(...Object.values(main).map((picture) => picture.end.at(-1)));
    const told = oneRow
      ? { "--columns": last - first, "--heads": 0, "--rows": 4, "--narrow": last - first }
      : {
        "--columns": sum(wide.map(([n]) => n)) + most(sides.map(([n]) => n)),
        "--narrow": sum(wide.map(([n]) => n)), "--heads": wide.length + 1,
        "--rows": most([sum(sides.map(([, n]) => n)) + 2, ...wide.map(([, n]) => n)]),
      };
    for (const [name, value] of Object.entries(told)) this.element.style.setProperty(name, String(value));
    if (oneRow) {
      Object.keys(main).forEach((name, n) => {
        const board = this.main.querySelectorAll(".cnn-grid")[n];
        board.style.setProperty("--indent", String(main[name].first.at(-1) - first));
      });
    }
    this.first = first;
    this.columns = last - first;
  }

  // Between two rows: `rows` of the table, `belowOf(i)` the column of output i.
  connect({ rows, belowOf, lit, now }) {
    this.lines.draw({
      columns: this.columns,
      pairs: rows.map((row) => ({
        above: row[2] - this.first, below: belowOf(row[0]) - this.first, lit: lit.includes(row), now: row === now,
      })),
    });
  }
}
