// What a page is made of: elements, unique ids, texts that are written only where they change.

/**
 * element("button", { class: "a", onclick: f, disabled: true }, "text", other)
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") made.style.cssText = value; // as an attribute, policies forbid it
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

let partCount = 0; // ids are unique on a page that shows several explorers

/** @param {string} name */
export const freshId = (name) =>
  `cnn-${name}-${Math.random().toString(36).slice(2, 8)}-${partCount++}`;

/**
 * Writes a text only where it changed: a live region then speaks once, and nothing is laid out anew.
 * @param {Node} node
 * @param {string} text
 */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {Element} node
 * @param {string} name
 * @param {string} value
 */
export function attribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}
