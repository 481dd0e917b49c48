// What a reader takes away from a state: a call, a formula, a picture.

import { button, menu } from "./controls.js";
import { element, write } from "./elements.js";
import { fold } from "./stage.js";

/**
 * A fold with `texts` by their names, each said of what is `seen`, and a picture of `root`.
 * @param {{ texts: Record<string, (seen: any) => string>, seen: () => any, root: HTMLElement }} options
 */
export function copying({ texts, seen, root }) {
  const names = Object.keys(texts);
  let name = names[0];
  const text = element("pre", { class: "cnn-call", tabindex: 0 });
  const which = menu({ label: "for", options: names.map((one) => [one, one]), onChange: (one) => { name = one; update(); } });
  const copy = button("Copy", async () => {
    getSelection().selectAllChildren(text); // where a page may not copy, a key does
    try {
      await navigator.clipboard.writeText(text.textContent);
      write(copy, "Copied");
    } catch {
      write(copy, "Now press Ctrl+C");
    }
  });
  const box = fold("Copy", element("div", { class: "cnn-controls" }, which.element, copy, button("Picture", () => save(root))), text);
  function update() {
    which.set(name);
    write(copy, "Copy");
    if (box.open) write(text, texts[name](seen()));
  }
  box.addEventListener("toggle", update);
  return { element: box, update };
}

// The head, the grids and the sum, as a PNG: an SVG image may hold elements.
async function save(root) {
  const clone = root.cloneNode(true);
  clone.querySelectorAll(".cnn-controls, .cnn-folds, button, .cnn-refusal").forEach((part) => part.remove());
  const look = getComputedStyle(root);
  clone.style.colorScheme = Number(look.color.match(/\d+/)[0]) > 128 ? "dark" : "light";
  const sizes = [...root.querySelectorAll(".cnn-grids")].map((grids) => grids.querySelector(".cnn-cell").offsetWidth);
  clone.querySelectorAll(".cnn-grids").forEach((grids, n) => grids.style.setProperty("--cell", `${sizes[n]}px`));
  const rules = [...document.styleSheets].flatMap((sheet) => {
    try { return [...sheet.cssRules]; } catch { return []; } // of another origin
  });
  const style = element("style", {}, rules.map((rule) => rule.cssText).filter((rule) => rule.includes(".cnn-")).join("\n"));
  const measured = element("div", { style: `position: absolute; visibility: hidden; width: ${root.offsetWidth}px` }, clone);
  root.after(measured);
  const [width, height] = [root.offsetWidth, clone.offsetHeight];
  measured.remove();
  const inside = new XMLSerializer().serializeToString(element("div", {}, style, clone));
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><foreignObject width="100%" height="100%">${inside}</foreignObject></svg>`)}`;
  await image.decode();
  const canvas = element("canvas", { width: 2 * width, height: 2 * height });
  const pen = canvas.getContext("2d");
  pen.scale(2, 2);
  pen.drawImage(image, 0, 0);
  element("a", { href: canvas.toDataURL("image/png"), download: "convolution.png" }).click();
}
