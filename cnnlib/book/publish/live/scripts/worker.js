// The worker: Pyodide's own two scripts stand before this one. No request leaves it: what Pyodide
// fetches is in the parts that the page has handed over.

const SITE = "/lib/python3.12/site-packages";
const files = {}; // name: bytes
const say = (message) => self.postMessage(message);
let wasm; // the compiled interpreter: the page keeps it for the next worker
let python;
let running;

// @ts-ignore
self.fetch = async (address) => {
  const name = String(address.url ?? address).split("/").pop();
  if (!files[name]) throw new TypeError(`${name} is not in this book`);
  return new Response(files[name], { headers: { "Content-Type": "application/octet-stream" } });
};
WebAssembly.instantiateStreaming = async (_, imports) => {
  wasm ??= await WebAssembly.compile(files["pyodide.asm.wasm"]);
  delete files["pyodide.asm.wasm"];
  return { module: wasm, instance: await WebAssembly.instantiate(wasm, imports) };
};

function decoded(text) {
  // @ts-ignore
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

async function take(part) {
  for (const [name, text] of part.files) {
    const bytes = decoded(text);
    if (!name.endsWith(".gz") || name.endsWith(".csv.gz")) {
      files[name] = bytes;
      continue;
    }
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    files[name.slice(0, -3)] = new Uint8Array(await new Response(stream).arrayBuffer());
  }
}

async function unpack({ packages, archives }) {
  if (packages.length) {
    const quiet = () => {};
    let failed = "";
    const errorCallback = (text) => { failed = text; };
    await python.loadPackage(packages, { messageCallback: quiet, errorCallback });
    if (failed) throw new Error(failed);
  }
  for (const name of archives) {
    python.unpackArchive(files[name], "zip", { extractDir: SITE });
    delete files[name];
  }
}

async function start({ parts, module }) {
  wasm = module;
  for (const part of parts) await take(part);
  const here = "https://book.invalid/";
  python = await self.loadPyodide({
    indexURL: here,
    lockFileURL: `${here}pyodide-lock.json`,
    env: { HOME: "/home/pyodide", MPLBACKEND: "Agg" },
  });
  for (const part of parts) await unpack(part);
  running = python.pyimport("inside.running").start((text) => say(JSON.parse(text)));
  say({ type: "ready", module: wasm });
}

async function more({ part }) {
  await take(part);
  await unpack(part);
  say({ type: "done", job: "more" });
}

const jobs = {
  start,
  more,
  before: ({ cell, sources }) => {
    say({ type: "done", job: "before", ...JSON.parse(running.before(cell, sources)) });
  },
  run: ({ cell }) => {
    const began = performance.now();
    const ended = JSON.parse(running.run(cell));
    say({ type: "done", job: "run", ...ended, seconds: (performance.now() - began) / 1000 });
  },
  hear: ({ model, values }) => running.hear(model, JSON.stringify(values)),
};

// One after the other: a cell of the reader's may take its time.
let last = Promise.resolve();
self.onmessage = ({ data }) => {
  last = last.then(() => jobs[data.type](data)).catch((error) => {
    say({ type: "broken", text: String(error.message ?? error) });
  });
};
