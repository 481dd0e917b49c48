const book = JSON.parse(document.getElementById("explorer-data").textContent);
const places = [...document.querySelectorAll(".explorer")];
const modules = {};

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// Until an explorer is there, its place is as high as it was at the last visit: nothing jumps.
const heights = `heights:${location.pathname}:${innerWidth}`;
try {
  JSON.parse(localStorage.getItem(heights)).forEach((height, number) => {
    places[number].style.minHeight = `${height}px`;
  });
} catch { /* the first visit, or a private window */ }

// One after the other, those in sight first; between two of them the page can be scrolled.
const distance = (place) => {
  const box = place.getBoundingClientRect();
  return Math.max(box.top - innerHeight, -box.bottom, 0);
};
const order = places.map((place, number) => [distance(place), number]).sort(([a], [b]) => a - b);

(async () => {
  for (const [, number] of order) {
    const [name, state] = book.shown[number];
    modules[name] ??= await unpacked(book.modules[name]);
    await mountExplorer(places[number], modules[name], state);
    places[number].style.minHeight = "";
    performance.mark("explorer");
    await new Promise((done) => { setTimeout(done); });
  }
  performance.mark("explorers");
  const now = places.map((place) => place.offsetHeight);
  try { localStorage.setItem(heights, JSON.stringify(now)); } catch { /* as above */ }
})();
