// The files beside the pages: scripts, because those a page can load without a server.

const CURE = `copy the folder "live" beside this page again.`;
const waiting = new Map();

function arrived(name, contents) {
  waiting.get(name)?.(contents);
  waiting.delete(name);
}

// A file that calls BOOK.part(name, contents).
function load(name, file) {
  return new Promise((done, fail) => {
    const script = document.createElement("script");
    waiting.set(name, done);
    script.src = `live/${file}`;
    script.onload = () => {
      script.remove();
      if (waiting.delete(name)) fail(new Error(`The file live/${file} is damaged: ${CURE}`));
    };
    script.onerror = () => {
      script.remove();
      waiting.delete(name);
      fail(new Error(`The file live/${file} cannot be read: ${CURE}`));
    };
    document.head.append(script);
  });
}

export function listen(book) {
  book.part = arrived;
}

function decoded(text) {
  // @ts-ignore
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

async function unpacked(part, text) {
  try {
    const stream = new Blob([decoded(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new Error(`The file live/${part}.js is damaged: ${CURE}`);
  }
}

// Of each file, by its name, what gives its bytes.
export async function readPart(name) {
  const packed = await load(name, `${name}.js`);
  return Object.fromEntries(packed.map(([file, text]) => [file, () => unpacked(name, text)]));
}

// Of a chapter: all code cells as [source, tags, names], and what its exercises ask.
export function readCells(chapter) {
  return load(`cells/${chapter}`, `cells/${chapter}.js`);
}
