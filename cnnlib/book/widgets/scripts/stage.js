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
   * Draws pictures on the boards of their names: what stands `aside`, and what is read together. Of
   * several slices there are `columns`, with a sign between them, and their `results`; the grids of a column may stand `abreast`.
   * `below` are elements that stand under a board.
   * @param {(name: string) => import("./grid.js").Board} board
   * @param {{ aside?: Record<string, any>, main?: Record<string, any>, columns?: Record<string, any>[],
   *   results?: Record<string, any>, signs?: [string, string], abreast?: boolean }} drawn
   * @param {Record<string, any>} below
   */
  draw(board, { aside = {}, main = {}, columns = [], results = {}, signs = ["", ""], abreast = false }, below = {}) {
    const parts = [aside, main, ...columns, results];
    for (const [name, picture] of parts.flatMap(Object.entries)) board(name).draw(picture);
    const oneRow = !columns.length && Object.values(main)[0].first.length === 1;
    const names = parts.map((part) => Object.keys(part)).join("|") + oneRow + abreast;
    if (names !== this.names) {
      const boards = (part) => Object.keys(part).map((name) => board(name).element);
      const sign = (text) => (text ? [element("span", { class: "cnn-sign", "aria-hidden": true }, text)] : []);
      this.aside.replaceChildren(...Object.keys(aside).map((name) =>
        element("div", { class: "cnn-with" }, board(name).element, ...(below[name] ? [below[name]] : []))));
      const [first, ...rest] = boards(main);
      const slices = columns.flatMap((column, n) => [...(n ? sign(signs[0]) : []),
        element("div", { class: "cnn-column" }, ...boards(column))]);
      this.main.replaceChildren(...(columns.length
        ? [...slices, ...sign(signs[1]), element("div", { class: "cnn-results" }, ...boards(results),
          ...Object.keys(below).filter((name) => !(name in aside)).map((name) => below[name]))]
        : oneRow ? [first, this.lines.element, ...rest] : [first, ...rest]));
      this.element.classList.toggle("one-row", oneRow);
      this.element.classList.toggle("slices", columns.length > 0);
      this.element.classList.toggle("abreast", abreast);
      this.aside.hidden = !Object.keys(aside).length;
    }
    this.names = names;
    this.measure({ aside, main, columns, results, oneRow, abreast });
  }

  measure({ aside, main, columns, results, oneRow, abreast }) {
    const size = ({ first, end }) => [end.at(-1) - first.at(-1), first.length === 1 ? 1 : end[0] - first[0]];
    const sizes = (part) => Object.values(part).map(size);
    const [sides, wide, ends] = [aside, main, results].map(sizes);
    const most = (values) => Math.max(0, ...values);
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const first = Math.min(...Object.values(main).map((picture) => picture.first.at(-1)));
    const last = Math.max(...Object.values(main).map((picture) => picture.end.at(-1)));
    const widths = (part) => sizes(part).map(([n]) => n);
    const heights = (part) => sizes(part).map(([, n]) => n);
    const pair = Math.min(2, ends.length); // results stand in two columns
    const [across, down] = abreast ? [sum, most] : [most, sum]; // of a column
    const told = columns.length ? {
      "--columns": sum(columns.map((column) => across(widths(column)))) + pair * most(widths(results)) + most(widths(aside)),
      "--narrow": most([...columns.map((column) => sum(widths(column))), pair * most(widths(results))]),
      "--heads": columns.length * (abreast ? 2 : 1) + pair + 1, "--abreast": Math.max(1, pair),
      "--rows": most([...columns.map((column) => down(heights(column)) + 2),
        Math.ceil(ends.length / 2) * (most(heights(results)) + 1) + 1]),
    } : oneRow
      ? { "--columns": last - first, "--heads": 0, "--rows": 4, "--narrow": last - first }
      : {
        "--columns": sum(wide.map(([n]) => n)) + most(sides.map(([n]) => n)),
        "--narrow": sum(wide.map(([n]) => n)), "--heads": wide.length + 1,
        "--rows": most([sum(sides.map(([, n]) => n)) + 2, ...wide.map(([, n]) => n)]),
      };
    const sized = JSON.stringify(told);
    if (sized !== this.sized) Object.entries(told).forEach(([name, value]) => this.element.style.setProperty(name, String(value)));
    this.sized = sized;
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
