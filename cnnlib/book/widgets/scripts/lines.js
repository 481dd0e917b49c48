// The connections of one row of inputs with one row of outputs, as lines between the two grids.

import { attribute } from "./elements.js";

const SVG = "http://www.w3.org/2000/svg";

export function connections() {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "cnn-lines");
  picture.setAttribute("aria-hidden", "true");
  picture.setAttribute("preserveAspectRatio", "none");
  return {
    element: picture,
    /**
     * `pairs` of columns, each with the class of its line; `columns` is how many there are.
     * @param {{ pairs: { above: number, below: number, kind: string }[], columns: number }} what
     */
    draw({ pairs, columns }) {
      attribute(picture, "viewBox", `0 0 ${columns} 1`);
      picture.style.setProperty("--span", String(columns));
      while (picture.childElementCount > pairs.length) picture.lastChild.remove();
      while (picture.childElementCount < pairs.length) picture.append(document.createElementNS(SVG, "line"));
      pairs.forEach(({ above, below, kind }, n) => {
        const line = picture.children[n];
        const told = { x1: above + 0.5, y1: 0, x2: below + 0.5, y2: 1, class: kind };
        for (const [name, value] of Object.entries(told)) attribute(line, name, String(value));
      });
    },
  };
}
