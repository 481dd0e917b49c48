// The files beside the pages: scripts, because those a page can load without a server.

const waiting = new Map();

function arrived(name, contents) {
  waiting.get(name)?.(contents);
  waiting.delete(name);
}

// A file that calls BOOK.part(name, contents).
function load(name, file) {
  return new Promise((done, fail) => {
    const script = document.createElement("script");
    const cure = `copy the folder "live" beside this page again.`;
    waiting.set(name, done);
    script.src = `live/${file}`;
    script.onload = () => {
      script.remove();
      if (waiting.delete(name)) fail(new Error(`The file live/${file} is damaged: ${cure}`));
    };
    script.onerror = () => {
      script.remove();
      waiting.delete(name);
      fail(new Error(`The file live/${file} cannot be read: ${cure}`));
    };
    document.head.append(script);
  });
}

export function listen(book) {
  book.part = arrived;
}

// Pairs of a file's name and its bytes, in base64.
export function readPart(name) {
  return load(name, `${name}.js`);
}

// Of a chapter: all code cells as [source, tags], and what its exercises ask.
export function readCells(chapter) {
  return load(`cells/${chapter}`, `cells/${chapter}.js`);
}

// The text of a script in one of the parts, which are packed.
export async function readScript(parts, name) {
  for (const part of parts) {
    const at = part.files.findIndex(([file]) => file === `${name}.gz`);
    if (at < 0) continue;
    const [[, text]] = part.files.splice(at, 1);
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }
  throw new Error(`The files of Python lack ${name}: copy the folder "live" beside this page again.`);
}
