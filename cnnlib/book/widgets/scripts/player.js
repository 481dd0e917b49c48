// Play, pause, step, for what has no products to count: frames of a training, layers of a network.

import { button } from "./controls.js";
import { element, write } from "./elements.js";
import { calm } from "./travel.js";

/**
 * `step()` goes one on, `quiet(true)` silences the live region meanwhile. `pass(n)` draws the nth of
 * `count()` moments of the pass that opens the page, and pass(null) what the state says.
 */
export function player({ step, quiet, pause, count, pass }) {
  let timer = 0;
  let opening = false;
  const halt = () => {
    clearInterval(timer);
    timer = 0;
    write(play, "Play");
    quiet(false);
    if (opening) pass(null);
    opening = false;
  };
  const start = () => {
    quiet(true);
    timer = setInterval(step, pause * (calm() ? 2 : 1));
    write(play, "Pause");
  };
  const play = button("Play", () => (timer && !opening ? halt() : start()));
  const next = button("Step", () => { halt(); step(); });
  return {
    element: element("span", { class: "cnn-player" }, play, next),
    stop: halt,
    finish: halt,
    get opening() { return opening; },
    get playing() { return Boolean(timer) && !opening; },
    // One quiet pass when the picture comes into sight, until a reader touches it.
    open() {
      if (calm() || timer) return;
      quiet(true);
      opening = true;
      let moment = 0;
      pass(moment);
      timer = setInterval(() => {
        moment += 1;
        if (moment < count()) pass(moment);
        else halt();
      }, Math.max(60, Math.min(700, 4000 / count())));
    },
  };
}
