// How a kernel is laid on its input, in words.

import { both } from "./sides.js";

function paddingWords({ axes, padding, center, heading = false }) { // over a narrow grid
  if (center !== null) return `centre (${[center].flat().join(", ")})`;
  if (typeof padding === "string" && padding !== "valid") return `padding '${padding}'`;
  const pads = axes.flatMap((axis) => axis.pads);
  if (new Set(pads).size > 1) return `padding ${axes.map((axis) => axis.pads.join(" and ")).join("; ")}`;
  return `padding ${pads[0]}${pads[0] && !heading ? " at each end" : ""}`;
}

/** The settings of these names, or all that say something. */
export function laidWords(seen, names = ["stride", "dilation", "padding", "border"]) {
  const { axes, flip, border } = seen;
  const dilation = both(axes.map((axis) => axis.dilation));
  const words = {
    stride: () => `stride ${both(axes.map((axis) => axis.stride))}`,
    dilation: () => (dilation === "1" && names.length > 3 ? "" : `dilation ${dilation}`),
    border: () => (border === "zeros" && names.length > 3 ? "" : `border '${border}'`),
    padding: () => paddingWords(seen), center: () => paddingWords(seen),
    flip: () => (flip ? "convolution" : "cross-correlation"),
  };
  return names.map((name) => words[name]()).filter(Boolean).join(", ");
}
