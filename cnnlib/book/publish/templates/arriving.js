// What an explorer is made from: its module, and the data that it ships.

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// In a site each of them is a file beside this one, loaded when it is wanted: as a script, because a
// page on a disk may not fetch. It puts what it has into `bookFiles`.
const BESIDE = document.currentScript.src;

function filed(name) {
  if (window.bookFiles?.[name]) return Promise.resolve(window.bookFiles[name]);
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = new URL(`${name}.js`, BESIDE);
    script.onload = () => done(window.bookFiles[name]);
    script.onerror = failed;
    document.head.append(script);
  });
}

const modules = {};

// The module of an explorer, and its state with the data that lie in files: their names, by the
// state's. A page that stands alone has the modules in it, and all data.
async function arrived([name, state, files = {}], own = {}) {
  modules[name] ??= Promise.resolve(own[name] ?? filed(name)).then(unpacked);
  const data = Object.entries(files).map(async ([key, file]) => [key, JSON.parse(await filed(file).then(unpacked))]);
  return [await modules[name], { ...state, ...Object.fromEntries(await Promise.all(data)) }];
}
