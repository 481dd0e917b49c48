// The controls of a convolution, each with what it shows of the state.

import { field, menu, number, radios, tick } from "./controls.js";
import { same } from "./desk.js";
import { KERNELS, PICTURES, fitted } from "./presets.js";
import { INPUT, OUTPUT, WEIGHT, both, joined, spatial } from "./sides.js";
import { BORDERS, range, shapeOf, unflatten } from "./sums.js";

const oneOrAll = (value) => (new Set([value].flat()).size === 1 ? [value].flat()[0] : value);

const given = ({ axes }) => axes.map((axis) => [...axis.pads]);

export const way = ({ padding, center }) =>
  (center !== null ? "center" : padding === null || padding === "valid" ? "valid"
    : ["same", "full"].includes(padding) ? padding : "own");

/** @param {{ desk: import("./desk.js").Desk, seen: () => any, unfold: () => void }} bench */
export function controls({ desk, seen, unfold }) {
  const change = (changes) => desk.change(changes);
  const refuse = (reason) => desk.refuse(reason);
  const ways = {
    valid: () => ({ padding: null, center: null }),
    same: () => ({ padding: "same", center: null }),
    full: () => ({ padding: "full", center: null }),
    own: () => ({ padding: given(seen()), center: null }),
    center: () => ({ padding: null, center: seen().dot ?? seen().shapes[WEIGHT].map((n) => n >> 1) }),
  };
  // The other lens at the same place, filter and channel.
  function turn(name) {
    const { side, here, arrays, axes, deep, K, D, G, group } = seen();
    const transposed = name === "transposed";
    const lens = transposed ? "delta" : name;
    if (!deep || lens === seen().lens) return change({ lens, transposed });
    const index = unflatten(here, arrays[side]);
    const place = spatial(side, index, axes.length);
    const last = index.at(-1);
    const filter = side === OUTPUT ? last : side === WEIGHT ? index[0] : group.c(last) * (K / G) + last % (K / G);
    const channel = side === INPUT ? last : group.k(filter) * D + last % D;
    return change({ lens, transposed, position: lens === "weight" ? [filter, ...place, channel % D]
      : [...place, lens === "forward" ? filter : channel] });
  }
  /** @returns {import("./controls.js").Shown} */
  const each = (name, label = name) => [
    field({ label, refuse, onChange: (value) => change({ [name]: value }) }), (state) => oneOrAll(state[name]),
  ];
  /** @returns {import("./controls.js").Shown} */
  const side = (label, axis, end) => [ // axis -1 is the last one
    number({
      label, refuse,
      onChange: (value) => {
        const pads = given(seen());
        pads.at(axis)[end] = value;
        change({ padding: pads });
      },
    }),
    (state) => given(state).at(axis)?.[end],
  ];
  const sides = [side("above", -2, 0), side("below", -2, 1), side("left", -1, 0), side("right", -1, 1)];
  const alike = number({ label: "cells at each end", refuse, onChange: (padding) => change({ padding }) });
  const rotated = tick({
    label: "as a rotated kernel over zeros put between",
    onChange: (value) => change({ rotated: value }),
  });
  const pairs = {
    none: () => ({ beside: null }),
    padding: () => ({ padding: "same", center: null, beside: { padding: "valid" } }),
    stride: () => ({ stride: 1, beside: { stride: 2 } }),
    // PyTorch pads both ends alike, TensorFlow's rule goes by the length: an even one shows it.
    frameworks() {
      const { shapes: [, U, P], input } = seen();
      return {
        stride: 2, padding: U.map((n) => n >> 1), center: null, beside: { padding: "same" },
        input: fitted(input, P.map((n) => Math.min(10, n + (n % 2)))),
      };
    },
  };
  const pairOf = ({ beside }) => Object.keys(pairs).find((name) => same(pairs[name]().beside, beside)) ?? "own";
  const second = field({
    label: "its stride", refuse, onChange: (stride) => change({ beside: { ...seen().beside, stride } }),
  });
  const beside = menu({
    label: "beside it", onChange: (name) => change(name === "own" ? { beside: { stride: seen().stride } } : pairs[name]()),
    options: [["none", "nothing"], ["padding", "same against valid"], ["stride", "stride 1 against 2"],
      ["frameworks", "PyTorch's padding against TensorFlow's SAME"], ["own", "a setting of its own"]],
  });
  const looks = (label, name) => tick({ label, onChange: (value) => change({ [name]: value }) });
  // A transposed convolution that is longer by so much has the same inputs, up to the stride.
  const extra = field({
    label: "output padding", refuse,
    onChange(value) {
      const { axes, shapes: [, , P], extra: now } = seen();
      const wanted = axes.map((_, n) => [value].flat()[n] ?? [value].flat()[0]);
      const most = axes.map(({ stride }) => stride - 1);
      if (!wanted.every((m, n) => Number.isInteger(m) && 0 <= m && m <= most[n])) {
        return refuse(`output padding is ${value}; expected 0 to ${both(most)}, less than the stride: more would be another input's`);
      }
      return lengthen(P.map((m, n) => m + wanted[n] - now[n]));
    },
  });
  function lengthen(P) {
    const { input, deep, C } = seen();
    if (!P.every((m) => Number.isInteger(m) && 1 <= m && m <= 10)) return refuse(`there would be ${joined(P)} outputs; ${one(10)} along an axis`);
    return change({ input: fitted(input, deep ? [...P, C] : P) });
  }
  const filter = menu({ // of a weight; outputs are chosen in the grid of their filter
    label: "filter", options: range(4).map((k) => [k, String(k)]),
    onChange: (k) => change({ position: [k, ...seen().position.slice(1)] }),
  });
  /** @type {import("./controls.js").Shown[]} */
  const front = [
    [radios({
      label: "Lens", onChange: turn,
      options: [["forward", "forward"], ["delta", "delta"], ["weight", "weight gradient"], ["transposed", "transposed"]],
    }), ({ lens, renamed }) => (renamed ? "transposed" : lens)],
    each("stride"),
    [menu({
      label: "padding", onChange: (name) => {
        change(ways[name]());
        if (name === "own") unfold();
      },
      options: [["valid", "valid"], ["same", "same"], ["full", "full"], ["own", "own number"],
        ["center", "by centre"]],
    }), way],
    [alike, (state) => given(state)[0][0]],
    [rotated, (state) => state.rotated],
    [filter, (state) => state.position[0]],
  ];
  const panes = sizes({ change, refuse, seen, first: desk.first, lengthen });
  /** @type {import("./controls.js").Shown[]} */
  const folded = [
    ...sides,
    each("dilation"),
    [menu({
      label: "kind", onChange: (flip) => change({ flip }),
      options: [[false, "cross-correlation"], [true, "convolution"]],
    }), ({ flip }) => flip],
    [menu({
      label: "border", options: Object.keys(BORDERS).map((name) => [name, name]),
      onChange: (border) => change({ border, ...(way(seen()) === "valid" ? ways.same() : {}) }), // without padding there is none
    }), ({ border }) => border],
    each("bias"),
    ...Object.values(panes),
  ];
  /** @type {import("./controls.js").Shown[]} */
  const setting = [[beside, pairOf], [second, ({ beside: its, stride }) => its?.stride ?? stride]];
  folded.unshift([extra, (state) => oneOrAll(state.extra)], ...setting);
  folded.push(
    [looks("tint inputs by how many outputs read them", "coverage"), ({ coverage }) => coverage],
    [looks("numbers as shades", "shades"), ({ shades }) => shades],
  );
  return {
    front, folded,
    update(state) {
      [...front, ...folded].forEach(([control, value]) => control.set(value(state)));
      alike.element.hidden = way(state) !== "own" || new Set(given(state).flat()).size > 1;
      sides.forEach(([control, value]) => {
        control.element.hidden = way(state) !== "own" || value(state) === undefined;
      });
      rotated.element.hidden = state.lens !== "delta" || state.deep || state.border !== "zeros";
      extra.element.hidden = !state.renamed || !["valid", "own", "full"].includes(way(state));
      filter.element.hidden = state.lens !== "weight" || state.K === 1;
      offer(filter, (k) => k < state.K);
      offer(panes.groups[0], (n) => divides(n + 1, state));
      panes.groups[0].element.hidden = !divides(2, state) && !divides(3, state);
      setting.forEach(([control], n) => {
        control.element.hidden = state.lens !== "forward" || state.deep || (n > 0 && !state.beside);
      });
      for (const [control] of [panes.input, panes.kernel]) control.element.hidden = state.deep;
    },
  };
}

// A centre beyond a smaller kernel comes back to its last weight.
function within(center, shape) {
  return center === null ? {} : { center: [center].flat().map((u, n) => Math.min(u, shape[n] - 1)) };
}

const one = (n) => `expected 1 to ${n}`;

const divides = (n, { K, C }) => K % n === 0 && C % n === 0;
const offer = (control, has) => control.element.querySelectorAll("option").forEach((option, n) => { option.hidden = !has(n); });

/** The shapes of an input and a kernel: with channels, or without where there is one of each. */
function shaped({ P, U, K, C, G }) {
  return K * C === 1 ? { input: P, kernel: U } : { input: [...P, C], kernel: [K, ...U, C / G] };
}

// Arrays without channels as if they had one, and back: the numbers stay.
const deepened = (values) => (Array.isArray(values) ? values.map(deepened) : [values]);
const flattened = (values) => (Array.isArray(values[0]) ? values.map(flattened) : values[0]);

// What the input and the kernel are: how many axes, channels and filters, their sizes, pictures, kernels with a name.
/** @returns {Record<string, import("./controls.js").Shown>} */
function sizes({ change, refuse, seen, first, lengthen }) {
  const flat = () => seen().axes.length === 1;
  const names = Object.keys(PICTURES);
  const picture = (name) => (flat() ? PICTURES[name][3] : PICTURES[name]);
  const kernel = (name) => KERNELS[name][flat() ? 0 : 1];
  const mine = { input: first.input, kernel: first.kernel }; // what the menu gives back
  const own = (name) => (shapeOf(mine[name]).length === seen().axes.length ? mine[name] : seen()[name]);
  // The numbers of another size, and of other numbers of channels and filters.
  const reshaped = (changes) => {
    const { shapes: [, U, P], K, C, G, deep, input, kernel: w, bias, center } = seen();
    const now = { P, U, K, C, G, ...changes };
    if (!divides(now.G, now)) now.G = 1;
    const shape = shaped(now);
    const wide = (values, array) => (deep ? values : array ? [deepened(values)] : deepened(values));
    const fit = (values, target, array) => (now.K * now.C === 1
      ? fitted(deep ? flattened(array ? values[0] : values) : values, target) : fitted(wide(values, array), target));
    change({
      groups: now.G, input: fit(input, shape.input, false), kernel: fit(w, shape.kernel, true), ...within(center, now.U),
      bias: Array.isArray(bias) ? (now.K * now.C === 1 ? bias[0] : fitted(bias, [now.K])) : bias,
    });
  };
  const resize = (name, key) => (value) => {
    const shape = [value].flat();
    const wanted = seen().shapes[INPUT].map((_, n) => shape[n] ?? shape[0]);
    if (!wanted.every((n) => Number.isInteger(n) && n >= 1 && n <= 10)) {
      return refuse(`${name} size is ${shape}; ${one(10)} cells along an axis`);
    }
    const { renamed, shapes: [I, , P], axes } = seen(); // a transposed convolution has the deltas as its input
    return renamed && key === "P" ? lengthen(P.map((m, n) => m + axes[n].stride * (wanted[n] - I[n]))) : reshaped({ [key]: wanted });
  };
  /** @returns {import("./controls.js").Shown} */
  const size = (name, key, side) => [
    field({ label: `${name} size`, refuse, onChange: resize(name, key) }),
    ({ shapes, renamed }) => shapes[renamed && side === INPUT ? OUTPUT : side],
  ];
  /** @returns {import("./controls.js").Shown} */
  const slices = (label, key, most) => [
    menu({ label, onChange: (n) => reshaped({ [key]: n }), options: range(most).map((n) => [n + 1, String(n + 1)]) }),
    (state) => state[key],
  ];
  let wide = null; // both axes, while one of them is shown
  const turn = (count) => {
    const state = seen();
    if (count === state.axes.length) return;
    const names = ["input", "kernel", "stride", "dilation", "padding", "center"];
    const last = (value) => (Array.isArray(value) ? (Array.isArray(value[0]) ? [value.at(-1)] : value.at(-1)) : value);
    const row = (values) => values[values.length >> 1];
    if (count === 1) {
      wide = { ...Object.fromEntries(names.map((name) => [name, state[name]])), groups: state.G };
      change({
        input: row(state.input), kernel: state.deep ? state.kernel.map(row) : row(state.kernel), stride: last(state.stride),
        dilation: last(state.dilation), padding: last(state.padding), center: last(state.center),
        position: state.deep ? [0, 0, 0] : [state.position.at(-1)],
      });
    } else {
      const twice = (value) => (Array.isArray(value?.[0]) ? [value[0], value[0]] : Array.isArray(value) ? value[0] : value);
      const { input, kernel: w } = shaped({ ...state, P: [5, 5], U: [3, 3] });
      const fresh = state.deep ? { input: fitted([], input), kernel: fitted([], w) }
        : { input: PICTURES.digit, kernel: KERNELS.edge[1] };
      change(wide && shapeOf(wide.kernel).length > 2 === state.deep ? wide : {
        ...fresh, stride: twice(state.stride), dilation: twice(state.dilation), padding: twice(state.padding),
        center: state.center === null ? null : [1, 1],
      });
    }
  };
  return {
    axes: [menu({ label: "axes", onChange: turn, options: [[1, "one"], [2, "two"]] }), ({ axes }) => axes.length],
    channels: slices("channels", "C", 3),
    filters: slices("filters", "K", 4),
    groups: slices("groups", "G", 3),
    inputs: size("input", "P", INPUT),
    input: [menu({
      label: "input", onChange: (name) => change({ input: name === "own" ? own("input") : picture(name), shades: name !== "own" }),
      options: [["own", "own numbers"], ["digit", "a digit"], ["photograph", "a photograph"]],
    }), (state) => names.find((name) => same(picture(name), state.input)) ?? "own"],
    weights: size("kernel", "U", WEIGHT),
    kernel: [menu({
      label: "kernel", onChange: (name) => {
        const values = name === "own" ? own("kernel") : kernel(name);
        change({ kernel: values, ...within(seen().center, shapeOf(values)) });
      },
      options: [["own", "own numbers"], ...Object.keys(KERNELS).map((name) => [name, name])],
    }), (state) => Object.keys(KERNELS).find((name) => same(kernel(name), state.kernel)) ?? "own"],
  };
}
