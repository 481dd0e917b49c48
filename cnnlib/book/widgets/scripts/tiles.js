// The kernels, maps and deltas of a layer as small pictures, a filter in each column.

import { digits } from "./curves.js";
import { element } from "./elements.js";
import { cells, range } from "./sums.js";

const PARTS = { w: "kernel", a: "map", dz: "delta" }; // of a filter, from top to bottom
const KINDS = { w: "weight", a: "output", dz: "delta" };
const TILE = 64; // pixels
const MANY = 6; // filters: with more, their pictures are smaller

// Channels of a kernel (U, V, C) side by side in a square, with gaps of null; a map has one.
export function tiled(values, [height, width, channels]) {
  const columns = Math.ceil(Math.sqrt(channels));
  const [H, W] = [Math.ceil(channels / columns) * (height + 1) - 1, columns * (width + 1) - 1];
  const rows = range(H).map(() => Array(W).fill(null));
  values.forEach((value, n) => {
    const c = n % channels;
    const at = (n - c) / channels;
    const top = Math.floor(c / columns) * (height + 1);
    rows[top + Math.floor(at / width)][(c % columns) * (width + 1) + (at % width)] = value;
  });
  return rows;
}

// Grey from black, 0, to white, the limit; or signed: from blue through white, 0, to red. A dash
// marks the negative cells (above a tenth of the limit), for eyes that do not tell red from blue.
export function paintPicture(canvas, rows, limit, signed, size = TILE) {
  const side = Math.max(1, Math.floor(size / Math.max(rows.length, rows[0].length)));
  const [width, height] = [side * rows[0].length, side * rows.length];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.dataset.side = side; // of a cell
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  rows.forEach((row, r) => row.forEach((value, c) => {
    if (value === null) return;
    const share = limit ? Math.min(1, Math.abs(value) / limit) : 0;
    const full = !signed ? [255, 255, 255] : value < 0 ? [33, 102, 172] : [178, 24, 43];
    const none = signed ? 255 : 0;
    context.fillStyle = `rgb(${full.map((part) => Math.round(none + share * (part - none)))})`;
    context.fillRect(c * side, r * side, side, side);
    if (!signed || value >= 0 || share < 0.1) return;
    const thick = Math.max(1, Math.round(side / 8));
    context.fillStyle = share > 0.5 ? "#fff" : "#1a1a1a";
    context.fillRect((c + 0.25) * side, (r + 0.5) * side - thick / 2, side / 2, thick);
  }));
}

/**
 * Draws them on a Grid; returns what those of each filter span, and the three limits, in words.
 */
export function drawTiles(grid, film, f, { layer, count, filter, lit }) {
  const pictures = Object.keys(PARTS).map((part) => {
    const { values, shape, limit } = film.at(`${layer}.${part}`, f);
    const kernel = part === "w";
    const size = kernel ? cells(shape.slice(1)) : shape[2];
    const most = kernel ? film.largest(`${layer}.w`) : limit;
    return range(count).map((k) => {
      const own = kernel
        ? values.slice(k * size, (k + 1) * size) : values.filter((_, n) => n % size === k);
      const [least, largest] = [Math.min(...own), Math.max(...own)].map(digits);
      const span = least === largest ? `all ${least}` : `from ${least} to ${largest}`;
      const rows = tiled(own, kernel ? shape.slice(1) : [shape[0], shape[1], 1]);
      return { rows, span, most, signed: part !== "a" || values.some((value) => value < 0) };
    });
  });
  const mark = (k) => [...(k === filter ? ["chosen"] : []), ...(k === lit ? ["partner"] : [])];
  const names = Object.entries(PARTS);
  grid.draw(pictures.map((row, r) => row.map(({ span }, k) => ({
    text: "", kind: KINDS[names[r][0]], marks: mark(k), name: `${names[r][1]} ${k}, ${span}`,
  }))), {
    rows: names.map(([, name]) => `${name}s`), columns: range(count).map((k) => `filter ${k}`),
    label: `${layer}: its kernels, and the image's maps and deltas`,
  });
  grid.element.style.setProperty("--tile", count > MANY ? "58px" : "76px");
  pictures.forEach((row, r) => row.forEach(({ rows, most, signed }, k) => {
    const node = grid.cells[r][k];
    const canvas = node.children[1] ?? node.appendChild(element("canvas"));
    paintPicture(canvas, rows, most, signed, count > MANY ? 0.7 * TILE : TILE);
  }));
  if (grid.chosen[1] !== filter) grid.focus([grid.chosen[0], filter], false);
  const [w, a, dz] = pictures.map(([{ most }]) => digits(most));
  return { w, a, dz, spans: range(count).map((k) => pictures.map((row) => row[k].span)) };
}
