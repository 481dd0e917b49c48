// The form of the page that examines a reader's own layer: it writes the call in the second cell.
(() => {
  const form = document.querySelector("form.clinic");
  const { name, kind, layout, stride, padding, file } = form.elements;
  const [code, call] = document.querySelectorAll("[data-code-cell]");
  const word = (text) => (/^\d+$/.test(text) ? text : `"${text}"`);
  const write = () => {
    const chosen = [];
    if (kind.value !== "layer") chosen.push(`kind="${kind.value}"`);
    if (layout.selectedIndex) chosen.push(`layout="${layout.value}"`);
    if (stride.selectedIndex && kind.value === "layer") chosen.push(`stride=${stride.value}`);
    if (padding.selectedIndex && kind.value === "layer") chosen.push(`padding=${word(padding.value)}`);
    const what = name.value.trim() || "Conv";
    const layer = what.includes(",") ? `(${what})` : what;
    call.cell.source = `from cnnlib.diagnosis.asserting import examine\n\nexamine(${[layer, ...chosen].join(", ")})`;
  };
  form.addEventListener("input", ({ target }) => { if (target !== file) write(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    const text = await chosen.text();
    code.cell.source = text;
    const defined = [...text.matchAll(/^(?:class|def) (\w+)/gm)].map((found) => found[1]);
    if (defined.length && !defined.includes(name.value)) {
      name.value = defined.at(-1);
      write();
    }
  });
})();
