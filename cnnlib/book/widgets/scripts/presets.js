// What a reader may begin with: pictures for the input, kernels with a name.

import { indices, nested } from "./sums.js";

// A 3 of scikit-learn's digits, and the palace's roofs in its photograph china.jpg (by
// danielbuechele, CC BY 2.0), each number the mean brightness of 28 by 28 pixels.
export const PICTURES = {
  digit: [
    [0, 0, 7, 15, 13, 1, 0, 0], [0, 8, 13, 6, 15, 4, 0, 0], [0, 2, 1, 13, 13, 0, 0, 0],
    [0, 0, 2, 15, 11, 1, 0, 0], [0, 0, 0, 1, 12, 12, 1, 0], [0, 0, 0, 0, 1, 10, 8, 0],
    [0, 0, 8, 4, 5, 14, 9, 0], [0, 0, 7, 13, 13, 9, 0, 0],
  ],
  photograph: [
    [213, 215, 217, 219, 173, 223, 226, 229, 232], [214, 215, 218, 212, 116, 215, 226, 229, 232],
    [215, 209, 192, 158, 121, 112, 183, 227, 231], [161, 87, 79, 49, 65, 69, 61, 94, 193],
    [210, 96, 63, 59, 82, 92, 96, 133, 227], [118, 47, 51, 67, 76, 77, 79, 101, 157],
    [163, 48, 42, 49, 70, 70, 65, 92, 168], [122, 41, 42, 63, 89, 89, 91, 129, 158],
    [53, 41, 41, 77, 91, 92, 93, 92, 135],
  ],
};

const ninth = 1 / 9;

/** Kernels with one axis and with two, by their names. @type {Record<string, [number[], number[][]]>} */
export const KERNELS = {
  blur: [[1 / 3, 1 / 3, 1 / 3], [0, 1, 2].map(() => [ninth, ninth, ninth])],
  Gauss: [[1 / 4, 1 / 2, 1 / 4], [[1, 2, 1], [2, 4, 2], [1, 2, 1]].map((row) => row.map((w) => w / 16))],
  sharpen: [[-1, 3, -1], [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]],
  edge: [[-1, 0, 1], [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]],
  shift: [[0, 0, 1], [[0, 0, 0], [0, 0, 1], [0, 0, 0]]],
};

// An array of another shape keeps what fits; what is new are small numbers that follow no pattern.
export function fitted(values, shape) {
  const old = (index) => index.reduce((part, m) => part?.[m], values);
  return nested(indices(shape).map((index) =>
    old(index) ?? (index.reduce((sum, m, n) => sum + [5, 3, 4, 6].at(n - shape.length) * m, 2) % 7) - 2), shape);
}
