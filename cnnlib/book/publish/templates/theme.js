// The fonts are in the style sheet: have them ready before the first word is laid out.
for (const font of ['1em "Book Math"', '1em Book', 'bold 1em Book', 'italic 1em Book']) document.fonts.load(font);

// Light or dark as chosen, before anything is drawn. Nothing chosen: as the system has it.
(() => {
  const root = document.documentElement;
  const names = ["system", "light", "dark"];
  const stored = () => {
    try { return localStorage.getItem("theme"); } catch { return null; }
  };
  const use = (name) => {
    root.style.colorScheme = name === "system" ? "light dark" : name;
    for (const button of document.querySelectorAll(".theme")) {
      button.textContent = { system: "◐", light: "○", dark: "●" }[name];
      button.setAttribute("aria-label", `Colours: ${name}. Change`);
      button.title = `Colours: ${name}`;
    }
  };
  let at = Math.max(0, names.indexOf(stored()));
  use(names[at]);
  document.addEventListener("DOMContentLoaded", () => {
    use(names[at]);
    document.querySelector(".theme").addEventListener("click", () => {
      at = (at + 1) % names.length;
      try { localStorage.setItem("theme", names[at]); } catch { /* private window */ }
      use(names[at]);
    });
  });
})();
