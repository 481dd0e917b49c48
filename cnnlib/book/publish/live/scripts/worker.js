// The worker: Pyodide's own two scripts stand before this one. No request leaves it: what Pyodide
// fetches is in the parts that the page has handed over.

const SITE = "/lib/python3.12/site-packages";
const files = {}; // name: bytes
const say = (message) => self.postMessage(message);
let python;
let running;

// @ts-ignore
self.fetch = async (address) => {
  const name = String(address.url ?? address).split("/").pop();
  if (name.endsWith(".wasm")) return new Response(); // it comes compiled
  if (!files[name]) throw new TypeError(`${name} is not in this book`);
  return new Response(files[name], { headers: { "Content-Type": "application/octet-stream" } });
};

function forget() {
  for (const name of Object.keys(files)) delete files[name];
}

// A line lists names and sizes; the files follow. None is copied: they stay where they were unpacked.
function lay(bytes) {
  const line = bytes.indexOf(10);
  const folders = new Set();
  let at = line + 1;
  for (const [name, size] of JSON.parse(new TextDecoder().decode(bytes.subarray(0, line)))) {
    const path = `${SITE}/${name}`;
    const folder = path.slice(0, path.lastIndexOf("/"));
    if (!folders.has(folder)) python.FS.mkdirTree(folder);
    folders.add(folder);
    python.FS.writeFile(path, bytes.subarray(at, at += size), { canOwn: true });
  }
}

async function unpack({ name, packages, files: given }) {
  Object.assign(files, given);
  if (packages.length) {
    const quiet = () => {};
    let failed = "";
    const errorCallback = (text) => { failed = text; };
    await python.loadPackage(packages, { messageCallback: quiet, errorCallback });
    if (failed) throw new Error(failed);
  }
  const all = files[`${name}.files`];
  if (all) lay(all);
  forget();
  python.pyimport("sys").path_importer_cache.pop(SITE, null); // it looks again what is there
}

async function start({ part, module }) {
  Object.assign(files, part.files);
  WebAssembly.instantiateStreaming = async (_, imports) => (
    { module, instance: await WebAssembly.instantiate(module, imports) }
  );
  const here = "https://book.invalid/";
  python = await self.loadPyodide({
    indexURL: here,
    lockFileURL: `${here}pyodide-lock.json`,
    env: { HOME: "/home/pyodide", MPLBACKEND: "Agg" },
  });
  forget();
  say({ type: "done", job: "start" });
}

async function more({ part }) {
  await unpack(part);
  say({ type: "done", job: "more" });
}

function open({ cells }) {
  running = python.pyimport("inside.running").start((text) => say(JSON.parse(text)), cells);
  say({ type: "done", job: "open" });
}

const jobs = {
  start,
  more,
  open,
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
