const book = JSON.parse(document.getElementById("explorer-data").textContent);
const places = [...document.querySelectorAll(".explorer")];

// Until an explorer is there, its place is as high as it was at the last visit: nothing jumps.
const heights = `heights:${location.pathname}:${innerWidth}`;
let known = [];
try {
  known = JSON.parse(localStorage.getItem(heights)) || [];
  known.forEach((height, number) => {
    places[number].classList.add("settled");
    places[number].style.minHeight = `${height}px`;
  });
} catch { /* the first visit, or a private window */ }

// At the first visit the style sheet keeps what follows a page's first explorer out of sight. There
// it stays: it would jump into view where the explorer is lower than the window.
function settle(place) {
  const fresh = !place.classList.contains("settled");
  place.classList.add("settled");
  place.style.minHeight = "";
  known[places.indexOf(place)] = place.offsetHeight;
  const { top, bottom } = place.getBoundingClientRect();
  if (fresh && "hero" in place.dataset && top < innerHeight && bottom < innerHeight) {
    place.style.minHeight = `${innerHeight - top}px`;
  }
}

async function mount(number) {
  const [module, state] = await arrived(book.shown[places[number].dataset.explorer], book.modules);
  await mountExplorer(places[number], module, state);
  settle(places[number]);
  performance.mark("explorer");
  const whole = places.map((place, at) => known[at] || place.offsetHeight);
  try { localStorage.setItem(heights, JSON.stringify(whole)); } catch { /* as above */ }
}

// An explorer is made when it is about to come into view. One after the other: between two of
// them the page can be scrolled.
let queue = Promise.resolve();
const sight = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (isIntersecting) {
      sight.unobserve(target);
      const number = places.indexOf(target);
      queue = queue.then(() => mount(number)).then(() => new Promise((done) => { setTimeout(done); }));
    }
  }
}, { rootMargin: "600px 0px" });
places.forEach((place) => sight.observe(place));
