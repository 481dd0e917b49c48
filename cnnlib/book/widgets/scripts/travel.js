// The kernel travels: play, pause, back, forward, a scrubber and a pace. Time counts the products of
// all cells of the lens's own grid, one after the other; cell m has counts[m] of them, at least one.

import { button, menu, slider } from "./controls.js";
import { element, write } from "./elements.js";
import { range } from "./sums.js";

const PACES = {
  products: { text: "by product", unit: "product", pause: 420 },
  cells: { text: "by cell", unit: "cell", pause: 800 },
  fast: { text: "fast", unit: "cell", pause: 160 },
};

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * `counts()` gives the products of each cell, `place()` the chosen cell. `show({ cell, terms, quiet })`
 * draws a moment, `show(null)` the whole picture; a moment is `quiet` in the pass
 * that opens the page. `quiet(true)` silences the live region while it plays.
 * @param {{ counts: () => number[], place: () => number, show: (moment: any) => void, quiet: (on: boolean) => void }} options
 */
export function travel({ counts, place, show, quiet }) {
  let now = null; // a moment of the travel, or null: all is shown
  let timer = 0;
  let opening = false;
  let pace = "cells";
  const slow = calm() ? 2 : 1;
  const total = () => counts().reduce((sum, count) => sum + count, 0);
  const startOf = (cell) => counts().slice(0, cell).reduce((sum, count) => sum + count, 0);
  const endOf = (cell) => startOf(cell) + counts()[cell] - 1;
  const cellAt = (moment) => range(counts().length).find((cell) => moment <= endOf(cell)) ?? 0;

  function draw() {
    const all = total();
    along.element.querySelector("input").max = all - 1;
    const moment = now ?? endOf(place());
    const cell = cellAt(moment);
    const terms = moment - startOf(cell) + 1;
    along.set(moment, `cell ${cell + 1} of ${counts().length}, ${terms} of ${counts()[cell]} products`);
    write(play, timer && !opening ? "Pause" : "Play");
    whole.disabled = now === null;
  }

  function go(moment) {
    now = Math.max(0, Math.min(moment, total() - 1));
    const cell = cellAt(now);
    show({ cell, terms: now - startOf(cell) + 1, quiet: opening });
    draw();
  }

  function halt() {
    clearInterval(timer);
    timer = 0;
    opening = false;
    quiet(false);
  }

  function finish() {
    const was = now !== null;
    halt();
    now = null;
    if (was) show(null);
    draw();
  }

  // The next moment: of a product, or of the whole next cell.
  function next(unit) {
    const moment = now ?? endOf(place());
    if (unit === "product") return moment + 1;
    const cell = cellAt(moment);
    return moment < endOf(cell) ? endOf(cell) : endOf(Math.min(cell + 1, counts().length - 1));
  }

  function back(unit) {
    const moment = now ?? endOf(place());
    if (unit === "product") return moment - 1;
    return endOf(Math.max(0, cellAt(moment) - 1));
  }

  function start() {
    quiet(true);
    if (now === null || now >= total() - 1) go(PACES[pace].unit === "product" ? 0 : endOf(0));
    timer = setInterval(() => {
      if (now >= total() - 1) finish();
      else go(next(PACES[pace].unit));
    }, PACES[pace].pause * slow);
    draw();
  }

  function step(to) {
    halt();
    go(to(PACES[pace].unit));
  }

  const play = button("Play", () => {
    if (opening) finish();
    if (!timer) return start();
    halt();
    return go(now);
  });
  const along = slider({
    label: "moment of the travel", min: 0, max: 1,
    onChange: (moment) => { halt(); go(moment); },
  });
  along.element.classList.add("cnn-along");
  const whole = button("Show all", finish);
  const speed = menu({
    label: "pace", options: Object.entries(PACES).map(([name, { text }]) => [name, text]),
    onChange: (name) => {
      pace = name;
      const running = timer && !opening;
      halt();
      if (running) start();
    },
  });
  speed.set(pace);
  return {
    element: element("span", { class: "cnn-player", role: "group", "aria-label": "travel" }, play,
      button("Back", () => step(back)),
      button("Step", () => step((unit) => (now === null && next(unit) >= total() && place() === counts().length - 1
        ? endOf(0) : next(unit)))),
      along.element, whole, speed.element),
    draw,
    get moving() { return now !== null; },
    get opening() { return opening; },
    interrupt() { halt(); now = null; },
    stop: halt,
    finish,
    // One quiet pass when the picture comes into sight, until a reader touches it.
    open() {
      if (calm() || timer || now !== null) return;
      opening = true;
      quiet(true);
      go(endOf(0));
      timer = setInterval(() => {
        if (now >= total() - 1) finish();
        else go(next("cell"));
      }, Math.max(60, Math.min(250, 4000 / counts().length)));
    },
  };
}

/** Opens when the element is seen for the first time; any touch of it ends the pass. */
export function openInSight(root, journey) {
  if (calm() || typeof IntersectionObserver === "undefined") return () => {};
  const sight = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    sight.disconnect();
    journey.open();
  }, { threshold: 0.4 });
  sight.observe(root);
  const touched = () => {
    sight.disconnect();
    for (const kind of ["pointerdown", "keydown"]) root.removeEventListener(kind, touched, true);
    if (journey.opening) journey.finish();
  };
  for (const kind of ["pointerdown", "keydown"]) root.addEventListener(kind, touched, true);
  return () => sight.disconnect();
}
