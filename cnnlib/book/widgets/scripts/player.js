// Play, pause, step, for what was recorded. `step()` goes one on; `quiet(true)` silences the live
// region meanwhile.

import { button } from "./controls.js";
import { element, write } from "./elements.js";
import { calm } from "./travel.js";

export function player({ step, quiet, pause }) {
  let timer = 0;
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    write(play, "Play");
    quiet(false);
  };
  const start = () => {
    quiet(true);
    timer = setInterval(step, pause * (calm() ? 2 : 1));
    write(play, "Pause");
  };
  const play = button("Play", () => (timer ? stop() : start()));
  const next = button("Step", () => { stop(); step(); });
  return { element: element("span", { class: "cnn-player" }, play, next), stop };
}
