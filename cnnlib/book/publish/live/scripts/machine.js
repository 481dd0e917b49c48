// The worker with Python: its parts, its jobs one after the other, and its end.
import { readPart, readScript } from "./parts.js";

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
  const there = new Set();

  function end(error) {
    worker?.terminate();
    worker = up = undefined;
    there.clear();
    job?.fail(error);
    job = undefined;
  }

  function answer({ data }) {
    if (data.type === "ready") module = data.module ?? module;
    if (data.type === "ready" || data.type === "done") {
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

  function ask(message) {
    return new Promise((done, fail) => {
      job = { done, fail };
      worker.postMessage(message);
    });
  }

  async function begin() {
    await able();
    const parts = [];
    const all = FIRST.reduce((sum, name) => sum + manifest[name].bytes, 0);
    let got = 0;
    for (const name of FIRST) {
      loading(got, all, "Loading Python");
      parts.push({ name, ...manifest[name], files: await readPart(name) });
      got += manifest[name].bytes;
    }
    loading(got, all, "Starting Python");
    const texts = await Promise.all(["pyodide.asm.js", "pyodide.js"].map((file) => readScript(parts, file)));
    const text = [...texts, script].join("\n;");
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    worker = new Worker(address);
    worker.onmessage = answer;
    worker.onerror = (event) => broken(event.message || "the worker did not start");
    await ask({ type: "start", parts, module });
    URL.revokeObjectURL(address);
    FIRST.forEach((name) => there.add(name));
  }

  async function need(name) {
    if (there.has(name) || !manifest[name]) return;
    loading(0, manifest[name].bytes, `Loading ${manifest[name].title}`);
    const part = { name, ...manifest[name], files: await readPart(name) };
    await ask({ type: "more", part });
    there.add(name);
  }

  return {
    async start() {
      up ??= begin();
      try {
        await up;
      } catch (error) {
        up = undefined;
        throw error;
      }
    },
    ask,
    need,
    has: (name) => Boolean(manifest[name]),
    tell: (message) => worker?.postMessage(message),
    stop: () => end(new Stopped("Stopped.")),
    get alive() { return Boolean(worker); },
  };
}
