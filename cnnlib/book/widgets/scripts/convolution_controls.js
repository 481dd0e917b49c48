// The controls of a convolution, each with what it shows of the state.

import { field, menu, number, radios, tick } from "./controls.js";
import { same } from "./desk.js";
import { KERNELS, PICTURES, resized } from "./presets.js";
import { INPUT, WEIGHT } from "./sides.js";

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
  /** @returns {import("./controls.js").Shown} */
  const each = (name, label = name) => [
    field({ label, refuse, onChange: (value) => change({ [name]: value }) }),
    (state) => (new Set([state[name]].flat()).size === 1 ? [state[name]].flat()[0] : state[name]),
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
  const rotated = tick({
    label: "as a rotated kernel over the deltas with zeros between",
    onChange: (value) => change({ rotated: value }),
  });
  /** @type {import("./controls.js").Shown[]} */
  const front = [
    [radios({
      label: "Lens", onChange: (lens) => change({ lens }),
      options: [["forward", "forward"], ["delta", "delta"], ["weight", "weight gradient"]],
    }), ({ lens }) => lens],
    each("stride"),
    [menu({
      label: "padding", onChange: (name) => {
        change(ways[name]());
        if (name === "own") unfold();
      },
      options: [["valid", "valid"], ["same", "same"], ["full", "full"], ["own", "own number"],
        ["center", "by centre"]],
    }), way],
    [rotated, (state) => state.rotated],
  ];
  /** @type {import("./controls.js").Shown[]} */
  const folded = [
    ...sides,
    each("dilation"),
    [menu({
      label: "kind", onChange: (flip) => change({ flip }),
      options: [[false, "cross-correlation"], [true, "convolution"]],
    }), ({ flip }) => flip],
    ...sizes({ change, refuse, seen, first: desk.first }),
    [number({ label: "bias", refuse, onChange: (bias) => change({ bias }) }), ({ bias }) => bias],
  ];
  return {
    front, folded,
    update(state) {
      [...front, ...folded].forEach(([control, value]) => control.set(value(state)));
      sides.forEach(([control, value]) => {
        control.element.hidden = way(state) !== "own" || value(state) === undefined;
      });
      rotated.element.hidden = state.lens !== "delta";
    },
  };
}

// A centre beyond a smaller kernel comes back to its last weight.
function within(center, shape) {
  return center === null ? {} : { center: [center].flat().map((u, n) => Math.min(u, shape[n] - 1)) };
}

// What the input and the kernel are: how many axes, their sizes, pictures, kernels with a name.
/** @returns {import("./controls.js").Shown[]} */
function sizes({ change, refuse, seen, first }) {
  const flat = () => seen().shapes[INPUT].length === 1;
  const names = Object.keys(PICTURES);
  const picture = (name) => (flat() ? PICTURES[name][3] : PICTURES[name]);
  const kernel = (name) => KERNELS[name][flat() ? 0 : 1];
  const mine = { input: first.input, kernel: first.kernel }; // what the menu gives back
  const own = (name) => (Array.isArray(mine[name][0]) !== flat() ? mine[name] : seen()[name]);
  const resize = (name) => (value) => {
    const shape = [value].flat();
    const wanted = seen().shapes[INPUT].map((_, n) => shape[n] ?? shape[0]);
    if (!wanted.every((n) => Number.isInteger(n) && n >= 1 && n <= 10)) {
      return refuse(`${name} size is ${shape}; expected 1 to 10 cells along an axis`);
    }
    const values = resized(seen()[name], wanted);
    return change({ [name]: values, ...(name === "kernel" ? within(seen().center, wanted) : {}) });
  };
  /** @returns {import("./controls.js").Shown} */
  const size = (name, side) => [
    field({ label: `${name} size`, refuse, onChange: resize(name) }), ({ shapes }) => shapes[side],
  ];
  let wide = null; // both axes, while one of them is shown
  const turn = (count) => {
    const state = seen();
    if (count === state.shapes[INPUT].length) return;
    const names = ["input", "kernel", "stride", "dilation", "padding", "center"];
    const last = (value) => (Array.isArray(value) ? (Array.isArray(value[0]) ? [value.at(-1)] : value.at(-1)) : value);
    const row = (values) => values[values.length >> 1];
    if (count === 1) {
      wide = Object.fromEntries(names.map((name) => [name, state[name]]));
      change({
        input: row(state.input), kernel: row(state.kernel), stride: last(state.stride),
        dilation: last(state.dilation), padding: last(state.padding), center: last(state.center),
        position: [state.position.at(-1)],
      });
    } else {
      const twice = (value) => (Array.isArray(value?.[0]) ? [value[0], value[0]] : Array.isArray(value) ? value[0] : value);
      change(wide ?? {
        input: PICTURES.digit, kernel: KERNELS.edge[1], stride: twice(state.stride),
        dilation: twice(state.dilation), padding: twice(state.padding),
        center: state.center === null ? null : [1, 1],
      });
    }
  };
  return [
    [menu({ label: "axes", onChange: turn, options: [[1, "one"], [2, "two"]] }),
      ({ shapes }) => shapes[INPUT].length],
    size("input", INPUT),
    [menu({
      label: "input", onChange: (name) => change({ input: name === "own" ? own("input") : picture(name) }),
      options: [["own", "own numbers"], ["digit", "a digit"], ["photograph", "a photograph"]],
    }), (state) => names.find((name) => same(picture(name), state.input)) ?? "own"],
    size("kernel", WEIGHT),
    [menu({
      label: "kernel", onChange: (name) => {
        const values = name === "own" ? own("kernel") : kernel(name);
        const shape = Array.isArray(values[0]) ? [values.length, values[0].length] : [values.length];
        change({ kernel: values, ...within(seen().center, shape) });
      },
      options: [["own", "own numbers"], ...Object.keys(KERNELS).map((name) => [name, name])],
    }), (state) => Object.keys(KERNELS).find((name) => same(kernel(name), state.kernel)) ?? "own"],
  ];
}
