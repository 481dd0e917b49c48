// How the parts of an explorer of grids are arranged; the style sheet sizes the cells by what is
// said here: how many columns and rows stand side by side.

import { connections } from "./lines.js";
import { element } from "./elements.js";
import { indices } from "./sums.js";

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
  "gives back. The dot is the centre, which lies on the output's own place: drag it, or press c on a cell of the kernel.";

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
   * `below` are elements that stand under a board. Of one row, `lines` is as `connect` takes it.
   * @param {(name: string) => import("./grid.js").Board} board
   * @param {{ aside?: Record<string, any>, main?: Record<string, any>, columns?: Record<string, any>[],
   *   results?: Record<string, any>, signs?: [string, string], abreast?: boolean, lines?: any }} drawn
   * @param {Record<string, any>} below
   */
  draw(board, { aside = {}, main = {}, columns = [], results = {}, signs = ["", ""], abreast = false, lines = undefined }, below = {}) {
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
    if (oneRow) this.connect(Object.values(main), lines);
  }

  measure({ aside, main, columns, results, oneRow, abreast }) {
    const size = ({ first, end }) => [end.at(-1) - first.at(-1), first.length === 1 ? 1 : end[0] - first[0]];
    const sizes = (part) => Object.values(part).map(size);
    const [sides, wide, ends] = [aside, main, results].map(sizes);
    const most = (values) => Math.max(0, ...values);
    const sum = (values) => values.reduce((a, b) => a + b, 0);
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
      ? { "--heads": 0, "--rows": 4 }
      : {
        "--columns": sum(wide.map(([n]) => n)) + most(sides.map(([n]) => n)),
        "--narrow": sum(wide.map(([n]) => n)), "--heads": wide.length + 1,
        "--rows": most([sum(sides.map(([, n]) => n)) + 2, ...wide.map(([, n]) => n)]),
      };
    const sized = JSON.stringify(told);
    if (sized !== this.sized) Object.entries(told).forEach(([name, value]) => this.element.style.setProperty(name, String(value)));
    this.sized = sized;
  }

  // Two rows, and between them `rows` of the table. An output stands under the middle of what it reads, `step`
  // columns from the next one: the stride, or 1 among zeros. Those of its `own` that meet nothing are drawn as well.
  connect(pair, { rows, axis, step = axis.stride, lit, now, own }) {
    const [upper, lower] = pair;
    const middle = (axis.input(0, 0) + axis.input(0, axis.kernel - 1)) / 2;
    const [start, end] = [lower.first[0], lower.end[0] - 1].map((m) => step * m + middle);
    const first = Math.min(upper.first[0], start);
    const columns = Math.max(upper.end[0], end + 1) - first;
    const told = { "--columns": columns, "--narrow": columns, "--indent": upper.first[0] - first, "--under": start - first, "--step": step };
    for (const [name, value] of Object.entries(told)) this.element.style.setProperty(name, String(value));
    const beyond = indices([axis.outputs, axis.kernel]).map(([i, u]) => [i, u, axis.input(i, u)]).filter((row) =>
      own(row) && upper.first[0] <= row[2] && row[2] < upper.end[0] && (row[2] < 0 || row[2] >= axis.inputs));
    this.lines.draw({
      columns,
      pairs: [...rows, ...beyond].map((row, n) => ({
        above: row[2] - first, below: axis.stride * row[0] + middle - first,
        kind: n >= rows.length ? "beyond" : row === now ? "now" : lit.includes(row) ? "lit" : "",
      })),
    });
  }
}
