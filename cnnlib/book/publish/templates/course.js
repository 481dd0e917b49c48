// What the text and the formulas do without: copying, remembered folds, explorers.
(() => {
  // Folded parts stay as the reader left them. This runs before the browser restores the place.
  const every = [...document.querySelectorAll("main details")];
  const folds = every.filter((fold) => !fold.closest(".cnn-explorer")); // those have their own
  const key = `open:${location.pathname}`;
  try {
    const open = new Set(JSON.parse(localStorage.getItem(key) || "[]"));
    folds.forEach((fold, number) => { fold.open ||= open.has(number); });
  } catch { /* nothing is remembered in a private window */ }
  const remember = () => {
    const open = folds.flatMap((fold, number) => (fold.open ? [number] : []));
    try { localStorage.setItem(key, JSON.stringify(open)); } catch { /* as above */ }
  };
  folds.forEach((fold) => fold.addEventListener("toggle", remember));

  async function copy(button, code) {
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch { // a page without https
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
      getSelection().removeAllRanges();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }
  for (const code of document.querySelectorAll(".source code")) {
    const button = document.createElement("button");
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", () => copy(button, code));
    code.closest(".source").append(button);
  }

  // What can be scrolled sideways can be scrolled with the keyboard. Measuring waits for the text.
  const reach = () => {
    const boxes = [...document.querySelectorAll("main pre, .scroll, .equation, .long")];
    const wide = boxes.map((box) => box.scrollWidth > box.clientWidth);
    boxes.forEach((box, number) => box.toggleAttribute("tabindex", wide[number]));
    boxes.filter((_, number) => wide[number]).forEach((box) => { box.tabIndex = 0; });
  };
  addEventListener("resize", reach);
  addEventListener("load", () => setTimeout(reach));
})();
