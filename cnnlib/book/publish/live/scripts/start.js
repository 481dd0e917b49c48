// Each code cell gets its buttons. What they need is loaded by the first that is used: a page that
// nobody runs has nothing else of it.
/* global ASKED */
(() => {
  const root = document.documentElement;
  const cells = new Map();
  let loading;
  const load = () => {
    loading ??= new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = "live/page.js";
      script.onload = () => done(window.BOOK.page);
      script.onerror = () => fail(new Error("The file live/page.js beside this page cannot be read."));
      document.head.append(script);
    });
    return loading;
  };
  const button = (bar, does, label, title) => {
    const made = document.createElement("button");
    made.type = "button";
    made.dataset.do = does;
    made.textContent = label;
    made.title = title;
    bar.append(made);
    return made;
  };
  // A form for numbers or a letter: it needs no Python.
  const ask = (cell, id) => {
    const form = document.createElement("form");
    form.className = "answer";
    const names = typeof ASKED[id] === "string" || !ASKED[id].length ? [""] : ASKED[id];
    const fields = names.map((name) => {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "text", autocomplete: "off" });
      const what = typeof ASKED[id] === "string" ? `Letter (${[...ASKED[id]].join(", ")})` : "Your answer";
      label.append(`${name || what} `, input);
      form.append(label);
      return { name, input };
    });
    button(form, "answer", "Check", `Check exercise ${id}`).type = "submit";
    cell.form = { id, fields };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      load().then((page) => page.answer(cell), (error) => cell.element.append(error.message));
    });
    cell.element.prepend(form);
  };
  for (const element of document.querySelectorAll("[data-code-cell]")) {
    const code = element.querySelector(".source code");
    if (!code) continue;
    if (element.dataset.elsewhere !== undefined) {
      const note = document.createElement("p");
      note.className = "note";
      note.textContent = "This cell runs in JupyterLab only.";
      code.closest(".source").after(note);
      continue;
    }
    const original = code.textContent.replace(/\n$/, "");
    const asked = original.match(/check\("([\d.]+)", \w+\)$/)?.[1];
    const form = Object.hasOwn(ASKED, asked ?? "");
    const number = Number(element.dataset.codeCell);
    const bar = document.createElement("div");
    bar.className = "doing";
    const buttons = {
      run: button(bar, "run", asked && !form ? "Check" : "Run", "Run this cell here (Ctrl-Enter)"),
      stop: button(bar, "stop", "Stop", "Stop Python"),
      edit: button(bar, "edit", "Edit", "Change the code: Escape, then Tab, leaves it"),
      above: button(bar, "above", "Run all above", "Run every cell of this page before this one"),
      reset: button(bar, "reset", "Reset", "Back to the book's own text and result"),
    };
    buttons.stop.hidden = buttons.reset.hidden = buttons.above.hidden = true;
    (code.closest("details.code") ?? code.closest(".source")).after(bar);
    const cell = {
      number, element, code, bar, buttons, original, text: original,
      get source() { return cell.text; },
      set source(text) {
        cell.text = String(text);
        cell.changed?.();
        load().then((page) => page.edit(cell));
      },
    };
    element.cell = cell;
    cells.set(number, cell);
    if (form) ask(cell, asked);
    bar.addEventListener("click", ({ target }) => {
      const does = target.closest("button")?.dataset.do;
      if (does) load().then((page) => page.act(cell, does), (error) => cell.element.append(error.message));
    });
    const touch = () => load().then((page) => page.edit(cell), () => {});
    code.closest(".source").addEventListener("pointerdown", touch, { once: true });
  }
  for (const note of document.querySelectorAll(".note.lifeless")) {
    note.textContent = "A playground runs your own function. This is its first picture: Run makes it move.";
  }
  // One hint after the other: the next one is offered when the one before it has been opened.
  for (const place of document.querySelectorAll(".exercise-cell [data-outputs]")) {
    const hints = [...place.querySelectorAll("details")].filter((one) => one.textContent.startsWith("Hint "));
    hints.slice(1).forEach((hint, n) => {
      const box = hint.closest(".output");
      box.classList.add("later");
      hints[n].addEventListener("toggle", () => box.classList.remove("later"), { once: true });
    });
  }
  window.BOOK = { root, cells, load };
  try {
    if (localStorage.getItem(`cells:${root.dataset.chapter}`)) load().catch(() => {});
  } catch { /* nothing is remembered in a private window */ }
})();
