// What each grid of a pool shows, lens by lens.

import { short } from "./numbers.js";
import { INPUT, OUTPUT, WEIGHT, joined, plain } from "./sides.js";
import { flatten, inside, unflatten } from "./sums.js";

/**
 * `at` is the cell of the lens's own grid that is shown, `lit` a set of flat places for each side of
 * the table: the partners of what is looked at. A travel has filled the own grid up to `at`.
 */
export function pictures(seen, { at: here, lit, travels }) {
  const { axes, rows, shapes, side, max, winners, counts, x, a, da, dx } = seen;
  const own = seen.groups[here];
  const filled = (values) => (travels ? [...values].map((value, n) => (n > here ? undefined : value)) : values);
  const [I, U, P] = shapes;
  const winning = new Set(max ? [...lit[OUTPUT]].map((i) => winners[i]) : []);
  const equal = new Set(rows.filter(([i, , p]) =>
    max && lit[OUTPUT].has(i) && x[p] === a[i]).map(([, , p]) => p));
  const role = (p) => (winning.has(p) ? ["won"] : equal.has(p) ? ["tie"] : []);

  const grid = (label, letter, whose, kind, values, more = (_flat) => /** @type {string[]} */ ([])) => plain({
    label, letter, shape: shapes[whose], kind, values,
    marks(_, flat) {
      const chosen = whose === side;
      const mark = chosen && flat === (travels ? here : seen.here) ? ["chosen"]
        : chosen && flat === here ? ["looked"] : lit[whose].has(flat) ? ["partner"] : [];
      return { marks: [...mark, ...more(flat)] };
    },
  });
  const outside = { text: max ? "−∞" : seen.count_padding ? "0" : "–", kind: "padding" };
  const unread = (index) => (index.every((p, n) => seen.read[n].has(p)) ? [] : ["unread"]);
  const input = grid("input x", "x", INPUT, "input", x,
    (flat) => [...role(flat), ...unread(unflatten(flat, P))]);
  const padded = {
    ...input, first: axes.map((axis) => -axis.pads[0]),
    end: axes.map((axis) => axis.inputs + Math.max(axis.pads[1], axis.after)),
    content: (index) => {
      const cell = inside(index, P) ? input.content(index)
        : { ...outside, marks: unread(index), name: `padding [${index}]` };
      if (!covered(index)) return cell;
      return { ...cell, marks: inside(index, P) ? cell.marks : ["partner", ...cell.marks], tag: "" };
    },
  };

  // The window over the chosen output, or the deltas that come back to the chosen input.
  const through = new Map(own.map((row) => [row[WEIGHT], row]));
  const covered = (index) => index.every((p, n) => {
    const ends = [0, U[n] - 1].map((u) => axes[n].input(unflatten(here, I)[n], u));
    return Math.min(...ends) <= p && p <= Math.max(...ends);
  });
  const back = side === INPUT;
  const frame = {
    label: back ? "back through the window" : `window, ${joined(U)}`,
    first: U.map(() => 0), end: U,
    content(index) {
      const flat = flatten(index, U);
      const [i, , p] = through.get(flat) ?? [];
      const marks = lit[WEIGHT].has(flat) ? ["partner"] : [];
      if (String(index) === String(seen.dot)) marks.push("centre");
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
      aside: { window: frame }, main: { input: padded, output: grid("output a", "a", OUTPUT, "output", filled(a)) },
    };
  }
  const fate = (i) => (max && lit[OUTPUT].has(i) && lit[INPUT].size === 1
    ? [lit[INPUT].has(winners[i]) ? "won" : "lost"] : []);
  return {
    aside: { input, window: frame },
    main: {
      dx: grid("dx, what each input owes", "dx", INPUT, "delta", filled(dx),
        (flat) => [...(winning.has(flat) ? ["won"] : []), ...unread(unflatten(flat, P))]),
      deltas: grid("deltas da", "da", OUTPUT, "delta", da, fate),
    },
  };
}
