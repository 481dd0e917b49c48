// Explorers and playgrounds whose values are those of an object in Python, both ways.
/* global explorerModel */

const models = new Map(); // by id: what takes a change that Python made

export function forget() {
  models.clear();
}

export function follow(id, name, value) {
  models.get(id)?.(name, value);
}

// `begun` gets the model before it is drawn.
export async function mountLive(place, { model: id, module, style, state }, tell, begun = () => {}) {
  const box = document.createElement("div");
  box.className = "explorer mounted";
  const sheet = document.createElement("style");
  sheet.textContent = style;
  box.append(sheet);
  place.append(box);
  const address = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  const { default: widget } = await import(address);
  URL.revokeObjectURL(address);
  const model = explorerModel(state);
  const { set } = model;
  const moved = new Set();
  model.set = (name, value) => {
    moved.add(name);
    set(name, value);
  };
  model.on("saved", () => {
    const values = Object.fromEntries([...moved].map((name) => [name, model.get(name)]));
    moved.clear();
    if (Object.keys(values).length) tell(id, values);
  });
  models.set(id, set);
  begun(model);
  const root = document.createElement("div");
  await widget.initialize?.({ model });
  await widget.render({ model, el: root });
  box.append(root);
}

function labelled(text, ...parts) {
  const label = document.createElement("label");
  label.append(`${text} `, ...parts);
  return label;
}

const CONTROLS = {
  slider(view, send) {
    const input = Object.assign(document.createElement("input"), {
      type: "range", min: view.min, max: view.max, step: view.step, value: view.value,
    });
    const shown = document.createElement("output");
    shown.textContent = view.value;
    input.addEventListener("input", () => {
      shown.textContent = input.value;
      send(Number(input.value));
    });
    return labelled(view.label, input, " ", shown);
  },
  checkbox(view, send) {
    const input = Object.assign(document.createElement("input"), { type: "checkbox", checked: view.value });
    input.addEventListener("change", () => send(input.checked));
    return labelled(view.label, input);
  },
  text(view, send) {
    const input = Object.assign(document.createElement("input"), { type: "text", value: view.value });
    input.addEventListener("change", () => send(input.value));
    return labelled(view.label, input);
  },
  menu(view, send) {
    const input = document.createElement("select");
    for (const name of view.labels) input.append(Object.assign(document.createElement("option"), { textContent: name }));
    input.addEventListener("change", () => send(input.selectedIndex));
    return labelled(view.label, input);
  },
};

// While Python draws, only the last of a slider's places waits.
function paced(send) {
  let asked = false;
  let last;
  return (value) => {
    last = value;
    if (asked) return;
    asked = true;
    setTimeout(() => {
      asked = false;
      send(last);
    }, 40);
  };
}

// `said` gets the picture's words whenever they change; none where something went wrong.
export function mountPanel(place, { controls, picture }, tell, said) {
  for (const view of controls) {
    place.append(CONTROLS[view.kind](view, paced((value) => tell(view.model, { value }))));
  }
  const root = document.createElement("div");
  place.append(root);
  return mountLive(root, picture, tell, (model) => {
    const words = () => said(model.get("wrong") ? "" : model.get("alt"));
    model.on("change", words);
    words();
  });
}
