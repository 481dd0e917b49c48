// The present state as a call to copy, in cnnlib and in what others use, and as a formula.

import { INPUT, OUTPUT, WEIGHT } from "./sides.js";
import { nested, repr } from "./sums.js";

const QUANTITY = { forward: "z", delta: "dx", weight: "dw" };
const tupled = (list) => `(${list.join(", ")}${list.length === 1 ? "," : ""})`;
const cannot = (reason) => `cannot, because ${reason}`;

// The arrays that a lens needs; a transposed convolution takes the deltas as its input.
function arrays(seen, ...names) {
  const of = { x: [INPUT, seen.x], w: [WEIGHT, seen.w], dz: [OUTPUT, seen.dz] };
  return names.map((name) => {
    const [side, data] = of[name];
    const wide = !seen.deep ? "[None, ..., None]" : name === "w" ? "" : "[None]";
    return `${name === "dz" ? deltas(seen) : name} = np.array(${repr(nested([...data], seen.arrays[side]))}, float)${wide}\n`;
  }).join("");
}
const deltas = ({ renamed }) => (renamed ? "x" : "dz");
const needed = ({ lens }) => ({ forward: ["x", "w"], delta: ["w", "dz"], weight: ["x", "dz"] })[lens];
const result = ({ lens, renamed }) => (renamed ? "z" : QUANTITY[lens]);
const pads = ({ axes, border }) => axes.map((axis) => [axis.pads[0], axis.given && border === "zeros" ? axis.pads[1] : axis.after]);
const grouped = ({ G }) => (G > 1 ? `, groups=${G}` : "");
// Ours is each word's key; np.pad and torch.nn.functional.pad have their own.
const MODES = { zeros: "", reflect: "reflect", symmetric: "symmetric", replicate: "edge", circular: "wrap" };
const padded = (seen, first, last) => `x = np.pad(x, (${[...first, ...pads(seen).map(tupled), ...last].join(", ")},)` +
  `${seen.border === "zeros" ? "" : `, "${MODES[seen.border]}"`})\n`;
const each = ({ axes }, name) => axes.map((axis) => axis[name]);

function ours(seen) {
  const { b, lens, shapes: [, U, P], C } = seen;
  const usual = { stride: 1, dilation: 1, padding: null, center: null, flip: false, border: "zeros" };
  const laid = Object.keys(usual).filter((name) => seen[name] !== usual[name]).map((name) => `, ${name}=${repr(seen[name])}`).join("");
  const call = {
    forward: () => `conv(x, w, ${repr(b)}`, delta: () => `conv_delta(${deltas(seen)}, w, ${tupled([1, ...P, C])}`,
    weight: () => `conv_weight_gradient(x, dz, ${tupled(U)}`,
  }[lens]();
  return `import cnnlib\nimport numpy as np\n\n${arrays(seen, ...needed(seen))}${result(seen)} = cnnlib.${call}${laid}${grouped(seen)})`;
}

function torch(seen) {
  const { lens, flip, b, axes, shapes: [, U, P], K, C, D, extra, renamed, border } = seen;
  const n = axes.length;
  const ends = pads(seen);
  if (border === "symmetric" || (border !== "zeros" && renamed)) return cannot("PyTorch has no such border here");
  const alike = border === "zeros" && ends.every(([before, after]) => before === after);
  const head = "import numpy as np\nimport torch\nimport torch.nn.functional as F\n\n" + arrays(seen, ...needed(seen)) +
    needed(seen).map((name) => (name === "dz" ? deltas(seen) : name))
      .map((name) => `${name} = torch.tensor(${name}).movedim(-1, 1)\n`).join("");
  const w = flip ? `w.flip(${axes.map((_, m) => m + 2).join(", ")})` : "w";
  const laid = (padding) => `stride=${tupled(each(seen, "stride"))}, padding=${tupled(padding)}, dilation=${tupled(each(seen, "dilation"))}`;
  if (renamed) {
    if (!alike) return cannot("PyTorch cuts as much off at both ends");
    return `${head}z = F.conv_transpose${n}d(x, ${w}, ${laid(ends.map(([one]) => one))}, ` +
      `output_padding=${tupled(extra)}${grouped(seen)}).movedim(1, -1)`;
  }
  const x = alike ? "x" : `F.pad(x, ${tupled([...ends].reverse().flat())}${border === "zeros" ? "" : `, "${border}"`})`;
  const bias = b && lens === "forward" ? `, torch.tensor(${repr(b)}, dtype=x.dtype)` : "";
  const z = `F.conv${n}d(${x}, ${w}${bias}, ${laid(alike ? ends.map(([one]) => one) : axes.map(() => 0))}${grouped(seen)})`;
  if (lens === "forward") return `${head}z = ${z}.movedim(1, -1)`;
  const [name, shape] = lens === "delta" ? ["x", [1, C, ...P]] : ["w", [K, D, ...U]];
  return `${head}${name} = torch.zeros(${shape.join(", ")}, dtype=torch.float64, requires_grad=True)\n` +
    `d${name}, = torch.autograd.grad(${z}, ${name}, dz)\nd${name} = d${name}.movedim(1, -1)`;
}

function keras(seen) {
  const { lens, flip, b, axes, shapes: [I, , P], G, border, extra, padding, renamed } = seen;
  const [stride, dilation] = [each(seen, "stride"), each(seen, "dilation")];
  if (renamed && (G > 1 || border !== "zeros")) return cannot("Keras' transposed convolution has no groups and no border");
  if (lens !== "forward" && !renamed) return cannot("Keras leaves gradients to the library below it");
  if (Math.max(...stride) > 1 && Math.max(...dilation) > 1) return cannot("Keras refuses a stride together with a dilation");
  const none = pads(seen).flat().every((n) => n === 0);
  const same = padding === "same" && border === "zeros" && (!renamed || P.every((n, m) => n === I[m] * stride[m]));
  const head = "import keras\nimport numpy as np\n\n" + arrays(seen, ...needed(seen)) + "w = np.moveaxis(w, 0, -1)" +
    (flip ? `[${axes.map(() => "::-1").join(", ")}]` : "");
  const laid = `strides=${tupled(stride)}, padding="${same ? "same" : "valid"}", dilation_rate=${tupled(dilation)}`;
  if (renamed) {
    if (!same && !none) return cannot("Keras' transposed convolution has the paddings 'valid' and 'same' only");
    const longer = !same && extra.some(Boolean) ? `, output_padding=${tupled(extra)}` : "";
    return `${head}\nz = keras.ops.conv_transpose(x, w, ${laid}${longer})`;
  }
  return `${head}\n${none || same ? "" : padded(seen, ["(0, 0)"], ["(0, 0)"])}z = keras.ops.conv(x, w, ${laid})${b ? ` + np.array(${repr(b)})` : ""}`;
}

function scipy(seen) {
  const { lens, flip, b, axes, shapes: [, , P], deep, G, border } = seen;
  const [stride, ends] = [each(seen, "stride"), pads(seen)];
  if (Math.max(...each(seen, "dilation")) > 1) return cannot("SciPy's correlate has no dilation");
  if (G > 1) return cannot("SciPy's correlate sums over all channels");
  if (lens === "delta" && border !== "zeros") return cannot("SciPy's correlate adds nothing up for copies");
  const steps = Math.max(...stride) > 1;
  if (lens !== "forward" && steps) return cannot("SciPy's correlate has no stride, and here zeros come between the deltas first");
  if (lens !== "forward" && deep) return cannot("SciPy's correlate sums over no filters");
  const turned = axes.map(() => "::-1").join(", ");
  const head = "import numpy as np\nfrom scipy.signal import convolve, correlate\n\n" +
    arrays(seen, ...needed(seen)).replaceAll("[None, ..., None]", "").replace(/\[None\]$/m, "");
  const wide = ends.flat().some(Boolean) ? padded(seen, [], deep ? ["(0, 0)"] : []) : "";
  if (lens === "delta") {
    const cut = ends.map(([before], m) => `${before}:${before + P[m]}`).join(", ");
    return `${head}${result(seen)} = ${flip ? "correlate" : "convolve"}(${deltas(seen)}, w, "full")[${cut}]`;
  }
  if (lens === "weight") return `${head}${wide}dw = correlate(x, dz, "valid")${flip ? `[${turned}]` : ""}`;
  const every = steps ? `[${stride.map((s) => `::${s}`).join(", ")}]` : "";
  const bias = b ? ` + ${repr(deep ? b : b[0])}` : "";
  if (!deep) return `${head}${wide}z = ${flip ? "convolve" : "correlate"}(x, w, "valid")${every}${bias}`;
  const k = flip ? `k[${turned}]` : "k";
  return `${head}${wide}z = np.stack([correlate(x, ${k}, "valid")[..., 0] for k in w], -1)${every}${b ? ` + np.array(${repr(b)})` : ""}`;
}

/** The sum with symbols, in the book's short names. */
function formula(seen) {
  const { axes, lens, deep, b, renamed, K, D, G, border } = seen;
  const letters = (names) => axes.map((_, n) => names[n]);
  const [i, u, p] = [letters("ij"), letters("uv"), letters("pq")];
  const met = axes.map((axis, n) => {
    const [s, d, first] = [axis.stride, axis.dilation * axis.sign, axis.input(0, 0)];
    const times = (m, letter) => (Math.abs(m) === 1 ? letter : `${Math.abs(m)}${letter}`);
    return `${times(s, i[n])} ${d < 0 ? "-" : "+"} ${times(d, u[n])}${first ? ` ${first < 0 ? "-" : "+"} ${Math.abs(first)}` : ""}`;
  });
  const cell = (letter, index, ...more) => `${letter}[${[...index, ...(deep ? more : [])].join(", ")}]`;
  const w = (letter, c = "c") => (deep ? `${letter}[k, ${u.join(", ")}, ${c}]` : `${letter}[${u.join(", ")}]`);
  const [dz, dx] = renamed ? ["x", "z"] : ["dz", "dx"];
  const over = (...names) => `sum over ${names.join(", ")} of `;
  const copies = border === "zeros" ? "" : `\nbeside the input x repeats itself: border '${border}'`;
  const x = cell("x", met, G > 1 ? `${D}*(k // ${K / G}) + c` : "c");
  if (lens === "forward") {
    const bias = b ? `${deep ? "b[k]" : "b"} + ` : "";
    return `${cell("z", i, "k")} = ${bias}${over(...u, ...(deep ? ["c"] : []))}${w("w")} * ${x}${copies}`;
  }
  if (lens === "weight") return `${w("dw")} = ${over(...i)}${x} * ${cell("dz", i, "k")}${copies}`;
  return `${cell(dx, p, "c")} = ${over(...i, ...u, ...(deep ? ["k"] : []))}${w("w", G > 1 ? `c % ${D}` : "c")} * ${cell(dz, i, "k")}\n` +
    `where ${met.map((one, n) => `${one} = ${p[n]}`).join(" and ")}${G > 1 ? ` and k // ${K / G} = c // ${D}` : ""}${copies}`;
}

/** What can be copied, by its name. @type {Record<string, (seen: any) => string>} */
export const CALLS = { cnnlib: ours, PyTorch: torch, Keras: keras, SciPy: scipy, "a formula": formula };
