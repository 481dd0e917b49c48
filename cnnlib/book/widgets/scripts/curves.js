// The pictures of a training that are no grids: curves over the steps, and histograms.

import { element, write } from "./elements.js";
import { range } from "./sums.js";

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** In two digits. @param {number} value */
export const digits = (value) => String(Number(value.toPrecision(2)));

// One number of both films over the steps, which are drawn as log(1 + step), like the frames.
export class Curves {
  name; width; height; left; top; foot; low; high;

  constructor(name, onStep) {
    Object.assign(this, { name, width: 360, height: 190, left: 44, top: 12, foot: 34 });
    this.picture = svg("svg", { viewBox: `0 0 ${this.width} ${this.height}`, role: "img" });
    this.title = element("div", { class: "cnn-title" });
    this.element = element("div", { class: "cnn-curves" }, this.title, this.picture);
    const move = (event) => {
      const { left, width } = this.picture.getBoundingClientRect();
      const share = ((event.clientX - left) / width * this.width - this.left) / this.across;
      onStep(Math.expm1(Math.max(0, Math.min(1, share)) * Math.log1p(this.last)));
    };
    this.picture.addEventListener("pointerdown", move);
    this.picture.addEventListener("pointermove", (event) => event.buttons && move(event));
  }

  get across() { return this.width - this.left - 10; }
  x(step) { return this.left + this.across * Math.log1p(step) / Math.log1p(this.last); }
  y(value) {
    const place = (this.scale(value) - this.low) / (this.high - this.low);
    return this.height - this.foot - place * (this.height - this.foot - this.top);
  }

  draw(films, shown, last) {
    this.last = last;
    const seen = films.flatMap((film) => [...film[this.name], ...(film.span?.[this.name] ?? [])]);
    const values = seen.filter((value) => value > 0);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const loss = this.name === "loss";
    const powers = range(19).map((n) => 10 ** (n - 9));
    const wanted = most / least > 100 ? powers : powers.flatMap((p) => [p, 2 * p, 5 * p]);
    this.scale = loss ? (value) => Math.log10(Math.max(value, 1e-9)) : (value) => value;
    [this.low, this.high] = loss ? [least / 1.5, most * 1.5].map(this.scale) : [0, 1];
    const ticks = loss ? wanted.filter((v) => v >= least / 1.5 && v <= most * 1.5) : [0, 0.5, 1];
    const bottom = this.height - this.foot;
    const text = (x, y, anchor, words) => svg("text", { x, y, "text-anchor": anchor }, words);
    const across = ticks.flatMap((value) => [
      svg("path", { class: "rule", d: `M${this.left} ${this.y(value)}H${this.width - 10}` }),
      text(this.left - 5, this.y(value) + 4, "end", loss ? digits(value) : `${100 * value}%`),
    ]);
    const steps = [0, ...powers.filter((p) => p >= 1 && p <= last)];
    const along = steps.map((step) => text(this.x(step), bottom + 15, "middle", String(step)));
    const lines = films.map((film, n) => svg("path", {
      class: n === shown ? "line" : "line other",
      d: film.step.map((s, f) => `${f ? "L" : "M"}${this.x(s)} ${this.y(film[this.name][f])}`).join(""),
    }));
    this.rod = svg("path", { class: "rod" });
    this.dots = films.map((_, n) => (n === shown
      ? svg("circle", { r: 5, class: "dot" })
      : svg("rect", { x: -4, y: -4, width: 8, height: 8, class: "dot other" })));
    this.picture.replaceChildren(...across, ...along,
      text(this.left + this.across / 2, this.height - 4, "middle", "step"),
      this.rod, ...lines, ...this.dots);
  }

  mark(films, frames, shown, say) {
    const now = films.map((film, n) => say(film[this.name][frames[n]]));
    write(this.title, `${this.name} ${now[shown]}`);
    const ends = films.map((film, n) => `${film.title}: ${say(film[this.name][0])} at first, `
      + `${now[n]} at step ${film.step[frames[n]]}, ${say(film[this.name].at(-1))} at the end`);
    this.picture.setAttribute("aria-label", `${this.name} over the steps. ${ends.join(". ")}`);
    films.forEach((film, n) => {
      const [x, y] = [this.x(film.step[frames[n]]), this.y(film[this.name][frames[n]])];
      this.dots[n].setAttribute("transform", `translate(${x} ${y})`);
      if (n === shown) this.rod.setAttribute("d", `M${x} ${this.top}V${this.height - this.foot}`);
    });
  }
}

// A histogram: the first bar, hollow, are the zeros; the others are half decades from 1e-8 to 1e4.
export class Bars {
  constructor(kind) {
    this.path = svg("path", { class: kind });
    this.zeros = svg("path", { class: `${kind} zeros` });
    /** @type {[number, string][]} */
    const marks = [[0, "10⁻⁸"], [8, "10⁻⁴"], [16, "1"], [24, "10⁴"]];
    this.text = element("span");
    this.element = element("td", {},
      svg("svg", { viewBox: "0 0 170 54", "aria-hidden": "true" }, this.path, this.zeros,
        svg("path", { class: "axis", d: `M1 40H157${marks.map(([n]) => `M${12 + 6 * n} 40v3`)}` }),
        ...marks.map(([n, text]) =>
          svg("text", { x: 12 + 6 * n, y: 53, "text-anchor": "middle" }, text))),
      this.text);
  }

  draw(shares, size) {
    const [zeros, ...others] = shares;
    const bar = (x, share, width) =>
      (share > 0 ? `M${x} 40v${-38 * Math.sqrt(share)}h${width}V40z` : "");
    this.zeros.setAttribute("d", bar(2, zeros, 7));
    this.path.setAttribute("d", others.map((share, n) => bar(12 + 6 * n, share, 5)).join(""));
    // A share is known to half a per cent only; where a size is left, not all are zeros.
    const share = zeros > 0.994 && size > 0 ? "over 99" : Math.round(100 * zeros);
    write(this.text, `size\u00a0${size}, zeros\u00a0${share}%`);
  }
}
