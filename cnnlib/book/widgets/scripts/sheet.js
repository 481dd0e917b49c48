// The maps of a layer as pictures, in one grid.

import { element, freshId, write } from "./elements.js";
import { range, shown, unflatten } from "./sums.js";

// Blue below 0, grey at 0, yellow above; the brighter one is the larger number in black and white.
const STOPS = [[0, 34, 78], [124, 123, 120], [254, 232, 56]];
const DENSITY = 2; // pixels of a canvas for one of the page: lines stay sharp

export const clamp = (n, top) => Math.max(0, Math.min(n, top));

function shade(share) { // of -1..1
  const n = Number(share >= 0);
  return STOPS[n].map((low, part) => low + (share + 1 - n) * (STOPS[n + 1][part] - low));
}

// A dark line with a light one on it is seen on any ground.
function twice(pen, wide, stroke) {
  for (const [strokeStyle, lineWidth] of [["#000", wide], ["#fff", wide / 2]]) {
    Object.assign(pen, { strokeStyle, lineWidth });
    stroke(lineWidth < wide);
  }
}

// A column counts through all pictures. A long row of numbers is one picture, broken into lines.
export class Sheet {
  name; shape; rows; columns; count; size; events; flat;

  constructor(name, shape, events) {
    const fold = range(shape[0] > 100 ? 71 : 21).findLast((n) => shape[0] % n === 0);
    const [rows, columns, count] = shape.length > 1 ? shape : [shape[0] / fold, fold, 1];
    const size = shape.length === 1 ? Math.floor(280 / columns) : columns > 20 ? 7 : 5;
    const [width, height, id] = [columns * size, rows * size, freshId("sheet")];
    Object.assign(this, { name, shape, rows, columns, count, size, events, flat: 0 });
    this.canvases = range(count).map(() => element("canvas", {
      width: width * DENSITY, height: height * DENSITY, "aria-hidden": true,
      style: `width: ${width}px; height: ${height}px`,
    }));
    this.pictures = range(count).map(() => element("canvas", { width: columns, height: rows }));
    this.cell = element("div", { // the only one of the grid on the page: it is spoken
      role: "gridcell", tabindex: 0, style: `width: ${size}px; height: ${size}px`,
    });
    this.row = element("div", { role: "row" }, this.cell);
    this.limit = element("span");
    const grid = element("div", {
      role: "grid", "aria-labelledby": id, "aria-rowcount": rows, "aria-colcount": columns * count,
    }, this.row);
    this.element = element("section", { class: "cnn-layer" },
      element("div", { class: "cnn-title", id }, `${name} ${shape.join(" × ")} `, this.limit),
      element("div", {
        class: "cnn-sheet",
        onpointermove: (event) => this.look(event),
        onpointerleave: () => events.hover(null),
        onclick: (event) => this.under(event) !== null && events.choose(this.under(event), true),
        onkeydown: (event) => this.press(event),
      }, ...this.canvases, grid));
  }

  // A finger looks at nothing, and after a scroll a browser tells of a mouse that has not moved.
  look(event) {
    if (event.pointerType === "touch" || (!event.movementX && !event.movementY)) return;
    this.events.hover(this.under(event));
  }

  // The cell under a pointer.
  under({ target, offsetX, offsetY }) {
    const map = this.canvases.indexOf(target);
    const along = (offset, size) => clamp(Math.floor(offset / this.size), size - 1);
    const [r, c] = [along(offsetY, this.rows), along(offsetX, this.columns)];
    return map < 0 ? null : this.flatOf(r, c, map);
  }

  flatOf(r, c, map) {
    return (r * this.columns + c) * this.count + map;
  }

  placeOf(flat) {
    return unflatten(flat, [this.rows, this.columns, this.count]);
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [r, within, map] = this.placeOf(this.flat);
    const [c, last] = [map * this.columns + within, this.columns * this.count - 1];
    const to = {
      ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1],
      PageUp: [r, c - this.columns], PageDown: [r, c + this.columns], Home: [r, 0], End: [r, last],
    }[event.key];
    if (event.key === "Escape") this.events.hover(null);
    const acts = [" ", "Delete"].includes(event.key);
    if (!to && !acts) return;
    const [row, column] = to ? [clamp(to[0], this.rows - 1), clamp(to[1], last)] : [r, c];
    const next = Math.floor(column / this.columns);
    this.events.choose(this.flatOf(row, column % this.columns, next));
    if (acts || event.shiftKey) this.events.act([row, column], event.key === "Delete");
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's own shortcuts must not see it
  }

  fill(values, grey) {
    const limit = Math.max(...values.map(Math.abs)) || 1;
    write(this.limit, `±${shown(Number(limit.toPrecision(2)))}`);
    this.pictures.forEach((picture, map) => {
      const image = new ImageData(this.columns, this.rows);
      for (let place = 0; place < this.rows * this.columns; place++) {
        const share = values[place * this.count + map] / limit;
        image.data.set([...(grey ? Array(3).fill(255 * share) : shade(share)), 255], 4 * place);
      }
      picture.getContext("2d").putImageData(image, 0, 0);
    });
  }

  // A ring for one cell, a line around those it comes from, a dashed one around those it goes to; what
  // is beside the first ones may lie in the shade.
  mark({ ring, solid, dashed, shaded }) {
    const unit = this.size * DENSITY;
    this.canvases.forEach((canvas, map) => {
      const pen = canvas.getContext("2d");
      pen.imageSmoothingEnabled = false;
      pen.drawImage(this.pictures[map], 0, 0, canvas.width, canvas.height);
      if (shaded) {
        pen.fillStyle = "rgb(124 124 124 / 65%)";
        range(this.rows * this.columns).filter((place) => !solid[place * this.count + map]).forEach((place) =>
          pen.fillRect((place % this.columns) * unit, Math.floor(place / this.columns) * unit, unit, unit));
      }
      if (solid) this.surround(pen, map, solid, []);
      if (dashed) this.surround(pen, map, dashed, [5, 5]);
      if (ring === undefined || ring % this.count !== map) return;
      const [r, c] = this.placeOf(ring);
      twice(pen, 8, () => pen.strokeRect(c * unit - 2, r * unit - 2, unit + 4, unit + 4));
    });
  }

  surround(pen, map, marked, dash) {
    const has = (r, c) => 0 <= c && c < this.columns && marked[this.flatOf(r, c, map)] === 1;
    const { width, height } = pen.canvas;
    const unit = this.size * DENSITY;
    const path = new Path2D();
    const line = (r, c, toR, toC) => {
      path.moveTo(c * unit, r * unit);
      path.lineTo(toC * unit, toR * unit);
    };
    for (let r = 0; r <= this.rows; r++) {
      for (let c = 0; c <= this.columns; c++) {
        if (has(r, c) !== has(r - 1, c)) line(r, c, r, c + 1);
        if (has(r, c) !== has(r, c - 1)) line(r, c, r + 1, c);
      }
    }
    pen.save();
    pen.transform(1 - 2 / width, 0, 0, 1 - 2 / height, 1, 1); // lines on the edge stay whole
    twice(pen, dash.length ? 4 : 6, (light) => {
      pen.setLineDash(light ? dash : []);
      pen.stroke(path);
    });
    pen.restore();
  }

  // Where the cell that Tab reaches lies on the page.
  measure() {
    const [r, c, map] = this.placeOf(this.flat);
    const { offsetLeft, offsetTop } = this.canvases[map];
    return `translate(${offsetLeft + c * this.size}px, ${offsetTop + r * this.size}px)`;
  }

  // Moves it there, and writes what is said of it.
  point(place, value, chosen) {
    const [r, c, map] = this.placeOf(this.flat);
    this.cell.style.transform = place;
    this.row.setAttribute("aria-rowindex", r + 1);
    this.cell.setAttribute("aria-colindex", map * this.columns + c + 1);
    this.cell.setAttribute("aria-selected", String(chosen));
    const name = `${this.name}[${unflatten(this.flat, this.shape)}]`;
    this.cell.setAttribute("aria-label", `${name}, ${value}`);
  }
}
