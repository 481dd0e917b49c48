// How a kernel is laid on its input, in words.

import { both } from "./sides.js";

function paddingWords({ axes, padding, center }) {
  if (center !== null) return `centre (${[center].flat().join(", ")})`;
  if (typeof padding === "string" && padding !== "valid") return `padding '${padding}'`;
  const pads = axes.flatMap((axis) => axis.pads);
  return `padding ${new Set(pads).size === 1 ? pads[0] && `${pads[0]} at each end` : axes.map((axis) => axis.pads.join(" and ")).join("; ")}`;
}

/** The settings of these names, or all that say something. */
export function laidWords(seen, names = ["stride", "dilation", "padding"]) {
  const { axes, flip } = seen;
  const dilation = both(axes.map((axis) => axis.dilation));
  const words = {
    stride: () => `stride ${both(axes.map((axis) => axis.stride))}`,
    dilation: () => (dilation === "1" && names.length > 2 ? "" : `dilation ${dilation}`),
    padding: () => paddingWords(seen), center: () => paddingWords(seen),
    flip: () => (flip ? "convolution" : "cross-correlation"),
  };
  return names.map((name) => words[name]()).filter(Boolean).join(", ");
}
