// What a cell shows: text as it comes, pictures, tables, errors, and explorers that Python moves.
import { mountLive, mountPanel } from "./joined.js";

const CONTROL = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*[A-Za-z]`, "g"); // colours of a terminal
const LIVE = "application/vnd.cnnlib.live+json";
const PANEL = "application/vnd.cnnlib.panel+json";

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// A carriage return goes back to the start of the line, as the bars of progress do.
function printed(before, text) {
  const lines = (before + text.replace(CONTROL, "")).split("\n");
  return lines.map((line) => {
    const parts = line.split("\r").filter(Boolean);
    return line.endsWith("\r") ? `${parts.at(-1) ?? ""}\r` : parts.at(-1) ?? "";
  }).join("\n");
}

function write(place, name, text) {
  let last = place.lastElementChild;
  if (last?.dataset.stream !== name) {
    last = element("pre", { className: "output" });
    last.dataset.stream = name;
    last.dataset.text = "";
    place.append(last);
  }
  const at = last.textContent.lastIndexOf("\n") + 1;
  const open = last.returns ?? last.textContent.slice(at);
  const next = printed(open, text);
  last.textContent = last.textContent.slice(0, at) + next.replaceAll("\r", "");
  last.returns = next.endsWith("\r") ? next.slice(next.lastIndexOf("\n") + 1) : undefined;
}

function error({ traceback }) {
  const [said, ...lines] = traceback;
  const box = element("div", { className: "output failing" }, element("p", {}, said.split("\n")[0]));
  box.setAttribute("role", "alert");
  const more = said.split("\n").slice(1).join("\n");
  if (more) box.append(element("p", {}, more));
  if (lines.length) {
    const code = element("pre");
    for (const line of lines) {
      code.append(line.startsWith("→") ? element("mark", {}, line) : line, "\n");
    }
    box.append(code);
  }
  return box;
}

// Reports lead to chapters, which are pages here.
function html(text) {
  const box = element("div", { className: "output scroll", innerHTML: text });
  for (const link of box.querySelectorAll("a[href]")) {
    link.setAttribute("href", link.getAttribute("href").replace(/^(\w+)\.ipynb(?=["#]|$)/, "$1.html"));
  }
  return box;
}

// A figure of the book keeps its number and its caption.
function framed(content, figure) {
  const box = element("div", { className: "output" });
  if (!figure) {
    box.append(content);
    return box;
  }
  const kept = figure.cloneNode(true);
  kept.querySelector(".save")?.remove();
  kept.firstElementChild.replaceWith(content);
  box.append(kept);
  return box;
}

function caption(box, words) {
  const said = box.querySelector("figcaption [aria-hidden]");
  if (said) said.textContent = words;
}

// `figures` are those that stood here: each next one frames the next picture.
export function show(place, output, model, figures = []) {
  if (output.output_type === "stream") return write(place, output.name, output.text);
  if (output.output_type === "error") return place.append(error(output));
  const { data, metadata } = output;
  if (data[LIVE]) {
    const box = element("div");
    place.append(framed(box, figures.shift()));
    return void mountLive(box, data[LIVE], model);
  }
  if (data[PANEL]) {
    const panel = element("div", { className: "panel" });
    const box = framed(panel, figures.shift());
    place.append(box);
    return void mountPanel(panel, data[PANEL], model, (words) => caption(box, words));
  }
  if (data["text/html"]) return place.append(html(data["text/html"]));
  if (data["image/png"]) {
    const alt = metadata?.["image/png"]?.alt ?? "";
    const picture = element("img", { src: `data:image/png;base64,${data["image/png"]}`, alt });
    const box = framed(element("div", { className: "frame" }, picture), figures.shift());
    if (alt) caption(box, alt);
    return place.append(box);
  }
  if (data["image/svg+xml"]) {
    const address = `data:image/svg+xml,${encodeURIComponent(data["image/svg+xml"])}`;
    return place.append(element("div", { className: "output" }, element("img", { src: address, alt: "" })));
  }
  const text = data["text/markdown"] ?? data["text/latex"] ?? data["text/plain"] ?? "";
  place.append(element("pre", { className: "output", textContent: text }));
}
