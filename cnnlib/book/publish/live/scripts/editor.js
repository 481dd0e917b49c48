// The editor: a textarea that lies over the coloured text. The browser's own undo, search, spelling
// off, input methods and screen readers work in it as everywhere.
import { highlighted } from "./highlight.js";

const INDENT = "    ";

// Typed, so that it can be undone.
function type(area, text) {
  if (!document.execCommand("insertText", false, text)) {
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input"));
  }
}

function lines(area) {
  const from = area.value.lastIndexOf("\n", area.selectionStart - 1) + 1;
  const next = area.value.indexOf("\n", area.selectionEnd);
  return [from, next < 0 ? area.value.length : next];
}

function newLine(area) {
  const [from] = lines(area);
  const line = area.value.slice(from, area.selectionStart);
  const indent = line.match(/^ */)[0];
  type(area, `\n${indent}${/[:([{]\s*$/.test(line) ? INDENT : ""}`);
}

function indent(area, back) {
  if (!back && area.selectionStart === area.selectionEnd) {
    const [from] = lines(area);
    type(area, INDENT.slice((area.selectionStart - from) % INDENT.length));
    return;
  }
  const [from, to] = lines(area);
  const text = area.value.slice(from, to).split("\n");
  const moved = text.map((line) => (back ? line.replace(/^ {1,4}/, "") : line && INDENT + line)).join("\n");
  area.setSelectionRange(from, to);
  type(area, moved);
  area.setSelectionRange(from, from + moved.length);
}

// `typed` hears of each change, `run` of Ctrl-Enter and Shift-Enter.
export function editor(code, label, { typed, run }) {
  const area = document.createElement("textarea");
  const frame = document.createElement("div");
  const pre = code.parentElement;
  frame.className = "editor";
  pre.before(frame);
  frame.append(pre, area);
  Object.assign(area, { spellcheck: false, autocapitalize: "off", autocomplete: "off", wrap: "off" });
  area.setAttribute("aria-label", label);
  area.setAttribute("aria-description", "Tab indents; after Escape, Tab leaves the editor.");
  let leaving = false;
  const draw = () => code.replaceChildren(highlighted(area.value));
  area.addEventListener("input", () => {
    draw();
    typed(area.value);
  });
  area.addEventListener("blur", () => { leaving = false; });
  area.addEventListener("keydown", (event) => {
    const { key } = event;
    if (event.isComposing) return;
    if (key === "Enter" && (event.ctrlKey || event.metaKey || event.shiftKey)) {
      run();
    } else if (key === "Enter") {
      newLine(area);
    } else if (key === "Tab" && !leaving) {
      indent(area, event.shiftKey);
    } else {
      leaving = key === "Escape" || (leaving && key === "Shift");
      return;
    }
    event.preventDefault();
  });
  return {
    area,
    put(text) {
      if (area.value === text) return;
      area.value = text;
      draw();
    },
  };
}
