// Controls: each is { element, set(value) }, and tells onChange(value) what the reader chose.

import { element, freshId } from "./elements.js";
import { readNumber, readNumbers, writeNumbers } from "./numbers.js";

/** @typedef {{ element: any, set: (value: any, text?: string) => void }} Control */
/** A control, and what it shows of the state. @typedef {[Control, (state: any) => any]} Shown */

export function labelled(label, control) {
  control.id = freshId("control");
  return element("span", { class: "cnn-control" }, element("label", { for: control.id }, label),
    control);
}

/** @returns {Control} */
export function menu({ label, options, onChange }) {
  const control = element("select", { onchange: () => onChange(options[control.selectedIndex][0]) },
    ...options.map(([, text]) => element("option", {}, text)));
  return {
    element: labelled(label, control),
    set(value) {
      const wanted = JSON.stringify(value);
      control.selectedIndex = options.findIndex(([v]) => JSON.stringify(v) === wanted);
    },
  };
}

// A line of text that Enter and leaving it apply. JupyterLab takes Enter for itself, so it is read here.
function line({ label, size, title = undefined, read, say, onChange }) {
  let last = "";
  const apply = () => {
    if (control.value === last) return;
    last = control.value;
    onChange(read(control.value), control.value);
  };
  const control = element("input", {
    size, title, autocomplete: "off", spellcheck: "false", onchange: apply,
    onkeydown: (event) => {
      if (event.key === "Enter") apply();
      if (event.key === "Escape") control.value = last;
    },
  });
  return {
    element: labelled(label, control),
    set(value) {
      last = say(value);
      if (control.value !== last) control.value = last;
    },
  };
}

/**
 * A field for one number. What is no number is told to `refuse`.
 * @returns {Control}
 */
export const number = ({ label, onChange, refuse }) => line({
  label, size: 3, read: readNumber, say: String,
  onChange: (value, text) => (Number.isNaN(value)
    ? refuse(text.trim() ? `${label} is '${text}'; expected a number` : `${label} is empty; expected a number`)
    : onChange(value)),
});

/**
 * A field for a number, one for each axis (2,3), or a pair for each axis (1,0;0,1).
 * @returns {Control}
 */
export const field = ({ label, onChange, refuse, title = "one number, or one for each axis: 2,1" }) => line({
  label, title, size: 4, read: readNumbers, say: writeNumbers,
  onChange: (value, text) => ([value].flat(2).some((one) => one === null || Number.isNaN(one))
    ? refuse(text.trim() ? `${label} is '${text}'; expected ${title}` : `${label} is empty; expected ${title}`)
    : onChange(value)),
});

/** @returns {Control} */
export function slider({ label, min, max, onChange }) {
  const control = element("input", {
    type: "range", min, max, oninput: () => onChange(control.valueAsNumber),
  });
  return {
    element: labelled(label, control),
    set(value, text = String(value)) {
      control.value = value;
      control.setAttribute("aria-valuetext", text);
    },
  };
}

/** @returns {Control} */
export function tick({ label, onChange }) {
  const control = element("input", { type: "checkbox", onchange: () => onChange(control.checked) });
  const box = element("label", { class: "cnn-control" }, control, label);
  return { element: box, set(value) { control.checked = value; } };
}

/** @returns {Control} */
export function radios({ label, options, onChange }) {
  const name = freshId("radio");
  const inputs = options.map(([value]) =>
    element("input", { type: "radio", name, onchange: () => onChange(value) }));
  return {
    element: element("fieldset", { class: "cnn-radios" }, element("legend", {}, label),
      ...options.map(([, text], i) => element("label", {}, inputs[i], ` ${text}`))),
    set(value) { options.forEach(([v], i) => { inputs[i].checked = v === value; }); },
  };
}

export function button(label, onClick) {
  return element("button", { type: "button", onclick: onClick }, label);
}
