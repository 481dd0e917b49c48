// The worker with Python: its parts, its jobs one after the other, and its end.
import { readPart } from "./parts.js";

export const FIRST = ["python", "numpy", "book"]; // what every cell needs

// A module of eight bytes: where even that is refused, Pyodide would wait for ever.
const TINY = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);

export class Stopped extends Error {}

function able() {
  const lacking = [
    [typeof WebAssembly === "object", "WebAssembly"],
    [typeof DecompressionStream === "function", "DecompressionStream"],
    [typeof Worker === "function", "workers"],
  ].filter(([there]) => !there);
  if (lacking.length) {
    throw new Error(`This browser cannot run Python: it has no ${lacking[0][1]}. A newer one can.`);
  }
  return WebAssembly.compile(TINY).catch(() => {
    throw new Error("This browser does not allow WebAssembly in this page, so no cell can run here.");
  });
}

// `heard` gets what the worker says of its own accord, `loading` megabytes, `state` a word.
export function machine({ script, manifest, heard, loading, state }) {
  let worker;
  let up;
  let module;
  let job; // what the page waits for
  let life = {}; // of the worker, from before it is there: `over` is the error that ended it
  const there = new Set();

  function end(error) {
    worker?.terminate();
    worker = up = undefined;
    there.clear();
    life.over = error;
    life = {};
    job?.fail(error);
    job = undefined;
  }

  function answer({ data }) {
    if (data.type === "done") {
      const { done } = job ?? {};
      job = undefined;
      done?.(data);
    } else if (data.type === "broken") {
      broken(data.text);
    } else {
      heard(data);
    }
  }

  function broken(text) {
    const memory = /memory|allocat/i.test(text) ? " It ran out of memory: make the arrays smaller." : "";
    const line = text.trim().split("\n").at(-1).slice(0, 200);
    end(new Error(`Python came to an end (${line}).${memory} Run a cell to start it anew.`));
    state("failed");
  }

  function ask(message, transfer = []) {
    return new Promise((done, fail) => {
      job = { done, fail };
      worker.postMessage(message, transfer);
    });
  }

  // What a worker was to get is for no later one.
  async function until(mine, promise) {
    const value = await promise;
    if (mine.over) throw mine.over;
    return value;
  }

  async function unpacked(mine, name, files) {
    const given = {};
    for (const [file, unpack] of Object.entries(files)) given[file] = await until(mine, unpack());
    return { name, packages: manifest[name].packages, files: given };
  }

  async function hand(part, message) {
    await ask({ ...message, part }, Object.values(part.files).map((bytes) => bytes.buffer));
    there.add(part.name);
  }

  // What can be done beside the worker is done here: it is what all wait for.
  async function begin(mine, cells) {
    await until(mine, able());
    const all = FIRST.reduce((sum, name) => sum + manifest[name].bytes, 0);
    let got = 0;
    loading(got, all, "Loading Python");
    const reading = FIRST.map(async (name) => {
      const files = await readPart(name);
      got += manifest[name].bytes;
      if (!mine.over) loading(got, all, got < all ? "Loading Python" : "Starting Python");
      return files;
    });
    reading.forEach((files) => files.catch(() => {}));
    const { booted } = await launch(mine, await until(mine, reading[0]));
    booted.catch(() => {});
    const rest = [];
    for (const [at, name] of FIRST.entries()) {
      if (at) rest.push(await unpacked(mine, name, await until(mine, reading[at])));
    }
    await booted;
    for (const part of rest) await hand(part, { type: "more" });
    await ask({ type: "open", cells: JSON.stringify(cells) });
  }

  // The interpreter is compiled once, for all workers of this page.
  async function launch(mine, { "pyodide.asm.js": asm, "pyodide.js": loader, "pyodide.asm.wasm": wasm, ...files }) {
    const texts = [await until(mine, asm()), ";\n", await until(mine, loader()), ";\n", script];
    const address = URL.createObjectURL(new Blob(texts, { type: "text/javascript" }));
    worker = new Worker(address);
    worker.onmessage = answer;
    worker.onerror = (event) => broken(event.message || "the worker did not start");
    module ??= await until(mine, wasm().then((bytes) => WebAssembly.compile(bytes)));
    const part = await unpacked(mine, FIRST[0], files);
    return { booted: hand(part, { type: "start", module }).finally(() => URL.revokeObjectURL(address)) };
  }

  // A light copy of the book has not all parts.
  const has = (name) => Boolean(manifest[name]?.bytes);

  async function need(name) {
    if (there.has(name) || !has(name)) return;
    const mine = life;
    loading(0, manifest[name].bytes, `Loading ${manifest[name].title}`);
    await hand(await unpacked(mine, name, await until(mine, readPart(name))), { type: "more" });
  }

  return {
    async start(cells) {
      const mine = life;
      up ??= begin(mine, cells);
      try {
        await up;
      } catch (error) {
        if (!mine.over) end(error);
        throw error;
      }
    },
    ask,
    need,
    has,
    tell: (message) => worker?.postMessage(message),
    stop: () => end(new Stopped("Stopped.")),
    get alive() { return Boolean(worker); },
  };
}
