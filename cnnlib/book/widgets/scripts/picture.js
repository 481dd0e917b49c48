// What a playground shows below its controls: a picture in its own size, what was printed, or what
// went wrong. It also keeps the stills of the notebook.

import { attribute, element, write } from "./elements.js";
import { whenChanged } from "./hearing.js";
import { initialize } from "./stills.js";

const MONO = "margin: 0.3rem 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.85rem";

function render({ model, el }) {
  const picture = element("img", { style: "max-width: 100%; height: auto; align-self: flex-start" });
  const printed = element("pre", { style: `${MONO}; max-height: 12em; overflow-y: auto`, tabindex: 0,
    "aria-label": "printed" });
  const wrong = element("pre", { class: "cnn-wrong", role: "alert", style: MONO });
  const redraw = () => {
    const [png, alt, said] = ["png", "alt", "printed"].map((name) => model.get(name));
    if (png) attribute(picture, "src", `data:image/png;base64,${png}`);
    attribute(picture, "alt", alt);
    picture.hidden = !png;
    printed.hidden = !said;
    write(printed, said);
    write(wrong, model.get("wrong"));
  };
  el.append(picture, wrong, printed);
  redraw();
  return whenChanged(model, ["png", "alt", "printed", "wrong"], redraw);
}

export default { initialize, render };
