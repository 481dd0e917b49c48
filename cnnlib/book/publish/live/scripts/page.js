// The page's side: which cell runs, what its buttons do, what stands in the bar below.
/* global MANIFEST, WORKER */
import { makeBar } from "./bar.js";
import { answer } from "./answering.js";
import { editor } from "./editor.js";
import { follow, forget } from "./joined.js";
import { machine, Stopped } from "./machine.js";
import { show } from "./outputs.js";
import { listen, readCells } from "./parts.js";
import { keep, kept, solved } from "./keeping.js";

const book = window.BOOK;
const { root, cells } = book;
const { chapter } = root.dataset;
const edits = kept(chapter); // of all pages of the chapter
let data; // of the chapter: its code cells as [source, tags, names], and what its exercises ask
let queue = Promise.resolve();
let turn = 0; // a stop ends the runs that began in an earlier turn
let showing; // where outputs go

const bar = makeBar({ stop, restart, download });
const NAMES = "Run the cells above again where they are needed: their names are gone.";

function state(word, sentence = "") {
  root.dataset.python = word;
  bar.say(word, sentence);
  const busy = word === "loading" || word === "running";
  for (const { buttons, element } of cells.values()) {
    const mine = busy && element.classList.contains("waiting");
    buttons.stop.hidden = !mine;
    buttons.run.disabled = mine;
  }
}

const python = machine({
  script: WORKER,
  manifest: MANIFEST,
  heard(message) {
    if (message.type === "output" && showing && message.cell === showing.number) showing.show(message.output);
    else if (message.type === "output") bar.print(message.output);
    else if (message.type === "trait") follow(message.model, message.name, message.value);
  },
  loading(got, of, sentence) {
    state("loading");
    bar.progress(got, of, sentence);
  },
  state: (word) => state(word),
});

const tell = (model, values) => python.tell({ type: "hear", model, values });

// ---- Text

export function edit(cell) {
  if (!cell.editor) {
    cell.editor = editor(cell.code, `Code of cell ${cell.number}`, {
      typed(text) {
        cell.text = text;
        changed(cell);
      },
      run: () => run(cell),
    });
    cell.buttons.edit.hidden = true;
    cell.buttons.above.hidden = false;
    cell.changed = () => {
      cell.editor.put(cell.text);
      changed(cell);
    };
  }
  cell.editor.put(cell.text);
  changed(cell);
}

function changed(cell) {
  const different = cell.text !== cell.original;
  if (different) edits[cell.number] = cell.text;
  else delete edits[cell.number];
  keep(chapter, edits);
  cell.element.classList.toggle("edited", different);
  cell.buttons.reset.hidden = !different && !cell.results;
}

async function chapterData() {
  data ??= await readCells(chapter);
  return data;
}

async function sources() {
  const { code } = await chapterData();
  const texts = Object.fromEntries(code.map(([source], at) => [at + 1, source]));
  Object.assign(texts, edits);
  for (const cell of cells.values()) texts[cell.number] = cell.text;
  return texts;
}

// ---- Results

function outputs(cell) {
  let place = cell.element.querySelector("[data-outputs]");
  if (!place) {
    place = document.createElement("div");
    place.dataset.outputs = "";
    cell.element.append(place);
  }
  place.setAttribute("aria-live", "polite");
  return place;
}

// What stood there stays until something new comes: nothing jumps.
function stage(number) {
  const cell = cells.get(number);
  if (!cell) return { number, show() {}, end() {} };
  const place = outputs(cell);
  cell.results ??= [...place.childNodes];
  const figures = cell.results.flatMap((one) => [...(one.querySelectorAll?.("figure") ?? [])]);
  place.style.minHeight = `${place.offsetHeight}px`;
  place.classList.add("old");
  let fresh = false;
  const clear = () => {
    if (fresh) return;
    fresh = true;
    place.classList.remove("old");
    place.replaceChildren();
  };
  return {
    number,
    show(output) {
      clear();
      show(place, output, tell, figures);
      const right = output.data?.["text/plain"]?.match(/^✓ Exercise ([\d.]+): right/);
      if (right) solved(right[1], "Python");
    },
    end(keepOld) {
      if (!keepOld) clear();
      place.classList.remove("old");
      place.style.minHeight = "";
      cell.buttons.reset.hidden = false;
    },
  };
}

function say(cell, text) {
  const note = document.createElement("p");
  note.className = "output failing";
  note.setAttribute("role", "alert");
  note.textContent = text;
  outputs(cell).append(note);
}

// ---- Running

const absent = (part) => `This cell needs ${MANIFEST[part].title}, which this copy of the book does not have.`;

async function one(number) {
  showing = stage(number);
  const mine = showing;
  try {
    let ended = await python.ask({ type: "run", cell: number });
    if (ended.lacks && python.has(ended.lacks)) {
      await python.need(ended.lacks);
      state("running");
      mine.end(true);
      showing = stage(number);
      ended = await python.ask({ type: "run", cell: number });
    } else if (ended.lacks) {
      showing.show({ output_type: "error", traceback: [absent(ended.lacks)] });
    }
    showing.end(false);
    return ended;
  } catch (error) {
    showing?.end(true);
    throw error;
  } finally {
    showing = undefined;
  }
}

async function inTurn(cell) {
  const texts = await sources();
  await python.start(data.code);
  const { cells: before, parts } = await python.ask({ type: "before", cell: cell.number, sources: JSON.stringify(texts) });
  const native = before.find((number) => data.code[number - 1][1].some((tag) => tag === "native" || tag.startsWith("needs-")));
  if (native) throw new Error(`Cell ${native}, which this one needs, runs in JupyterLab only.`);
  for (const part of parts) await python.need(part);
  for (const number of before) {
    state("running", `Running cell ${number}, which cell ${cell.number} needs.`);
    const { ok } = await one(number);
    if (!ok) throw new Error(`Cell ${number}, which this one needs, failed: its own output says why.`);
  }
  state("running", `Running cell ${cell.number}.`);
  const { seconds, ok } = await one(cell.number);
  state("ready", `${ok ? "Done" : "Failed"} after ${seconds < 0.1 ? "less than 0.1" : seconds.toFixed(1)} s.`);
  return ok;
}

export function run(cell) {
  const began = turn;
  cell.element.classList.add("waiting");
  state(python.alive ? "running" : "loading");
  const done = queue.then(async () => {
    if (began !== turn) return false;
    try {
      return await inTurn(cell);
    } catch (error) {
      if (error instanceof Stopped) {
        say(cell, `Stopped. ${NAMES}`);
      } else {
        say(cell, error.message);
        state(python.alive ? "ready" : "failed", error.message);
      }
      return false;
    } finally {
      cell.element.classList.remove("waiting");
      cell.element.dataset.ran = Number(cell.element.dataset.ran ?? 0) + 1;
      state(root.dataset.python, bar.sentence);
    }
  });
  queue = done;
  return done;
}

async function runAbove(cell) {
  const above = [...cells.values()].filter(({ number }) => number < cell.number);
  for (const each of above) each.element.classList.add("waiting");
  for (const each of above) if (!(await run(each))) break;
  for (const each of above) each.element.classList.remove("waiting");
}

export function stop() {
  turn += 1;
  for (const { element } of cells.values()) element.classList.remove("waiting");
  python.stop();
  forget();
  queue = Promise.resolve();
  state("stopped", `Stopped. ${NAMES}`);
}

function restart() {
  stop();
  state("off", `Python starts anew with the next cell. ${NAMES}`);
}

function reset(cell) {
  cell.text = cell.original;
  cell.changed?.();
  if (cell.results) {
    outputs(cell).replaceChildren(...cell.results);
    cell.results = undefined;
  }
  cell.buttons.reset.hidden = true;
}

async function download() {
  const texts = await sources();
  const made = data.code.map(([, tags], at) => ({
    cell_type: "code", id: `cell-${at + 1}`, execution_count: null, metadata: tags.length ? { tags } : {}, outputs: [],
    source: texts[at + 1],
  }));
  const kernel = { display_name: "Python 3 (ipykernel)", language: "python", name: "python3" };
  const notebook = { cells: made, metadata: { kernelspec: kernel }, nbformat: 4, nbformat_minor: 5 };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(notebook, null, 1)], { type: "application/json" }));
  link.download = `${chapter}_edited.ipynb`;
  link.click();
  URL.revokeObjectURL(link.href);
}

// An answer to numbers or a letter, judged without Python.
export async function check(cell) {
  const { questions } = await chapterData();
  const { box, source } = answer(cell, questions[cell.form.id]);
  if (source !== undefined) {
    cell.text = source;
    edit(cell);
  }
  const staged = stage(cell.number);
  staged.end(false);
  outputs(cell).append(box);
}

export function act(cell, does) {
  if (does === "run") {
    edit(cell);
    return run(cell);
  }
  if (does === "above") return runAbove(cell);
  if (does === "stop") return stop();
  if (does === "reset") return reset(cell);
  edit(cell);
  const fold = cell.code.closest("details.code"); // a figure's code is folded
  if (fold) fold.open = true;
  return cell.editor.area.focus();
}

listen(book);
book.page = { act, edit, run, stop, answer: check };
for (const [number, text] of Object.entries(edits)) {
  const cell = cells.get(Number(number));
  if (cell) {
    cell.text = text;
    edit(cell);
  }
}
