// A saved notebook shows its stills. In JupyterLab and Notebook 7 an output with a live view and a
// still is saved with both, and opened without its kernel it shows "model not found": the view
// comes first. So what is saved goes without the view, as the builder commits it.

const VIEW = "application/vnd.jupyter.widget-view+json";
const KEPT = Symbol.for("cnnlib.stills"); // several explorers of a notebook: once

function withStill(output) {
  const still = output.data?.["image/png"] ?? output.data?.["text/html"]; // or why there is none
  if (!output.data?.[VIEW] || !still) return output;
  const { [VIEW]: _, ...data } = output.data;
  return { ...output, data };
}

/** What anywidget calls for each model, also of a view that has not been on the screen yet. */
export function initialize({ model }) {
  const notebook = model.widget_manager?.context?.model;
  if (!notebook?.toJSON || notebook[KEPT]) return;
  const whole = notebook.toJSON.bind(notebook);
  notebook[KEPT] = true;
  notebook.toJSON = () => {
    const saved = whole();
    const cells = saved.cells?.map((cell) =>
      (cell.outputs ? { ...cell, outputs: cell.outputs.map(withStill) } : cell));
    return cells ? { ...saved, cells } : saved;
  };
}
