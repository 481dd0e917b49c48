// Exercises that ask for numbers or a letter are answered in the page, at once and without Python.
import { judged, readAnswer } from "./judge.js";
import { solved } from "./keeping.js";

function result(id, { right, said, html }) {
  const box = document.createElement("div");
  if (html) {
    box.innerHTML = html;
    return box.firstElementChild;
  }
  box.className = `exercise ${right ? "right" : "wrong"}`;
  const head = document.createElement("p");
  const strong = document.createElement("strong");
  strong.textContent = right ? `✓ Exercise ${id}: right.` : `✗ Exercise ${id}: not right yet.`;
  head.append(strong);
  box.append(head);
  if (!right) {
    const list = document.createElement("ul");
    for (const sentence of said) list.append(Object.assign(document.createElement("li"), { textContent: sentence }));
    box.append(list);
  }
  return box;
}

const inPython = (value) => (typeof value === "object" && !Array.isArray(value)
  ? `{${Object.entries(value).map(([name, one]) => `"${name}": ${JSON.stringify(one)}`).join(", ")}}`
  : JSON.stringify(value));

// The verdict on what stands in the form of an exercise, and its picture. The answer also goes into
// the cell, where Python finds it.
export function answer(cell, question) {
  const { id, fields } = cell.form;
  const values = fields.map(({ name, input }) => {
    const text = input.value.trim();
    return [name, question.letters ? text.toLowerCase() : readAnswer(text)];
  });
  const unread = values.some(([, value]) => value === undefined || (question.letters && !question.letters.includes(value)));
  if (unread || values.some(([, value]) => value === "")) {
    const wanted = question.letters ? `one of the letters ${[...question.letters].join(", ")}` : "numbers, such as 3, 1/2 or [[1, 2], [3, 4]]";
    return { box: result(id, { right: false, said: [`Write ${wanted}.`] }) };
  }
  const value = values[0][0] ? Object.fromEntries(values) : values[0][1];
  const verdict = judged(question, value);
  if (verdict.right) solved(id, "page");
  const source = cell.text.replace(/^(\w+ = )(?:\.\.\.|\{.*\}|[^#\n]*?)(  #.*)?$/m, (_, start, rest) => `${start}${inPython(value)}${rest ?? ""}`);
  return { box: result(id, verdict), source };
}
