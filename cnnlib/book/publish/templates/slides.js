// Slides stand below each other; a key brings the next one. Without scripts they can be scrolled.
const slides = [...document.querySelectorAll(".slide")];
const speaker = location.search === "?notes";
let now = Math.max(0, Number(location.hash.slice(1)) - 1) || 0;
let other = null;

// What is too high for its slide becomes smaller, explorers too.
function fit(slide) {
  const content = slide.querySelector(".fit");
  content.style.zoom = 1;
  const room = 720 - 72;
  const height = content.scrollHeight;
  if (height > room) content.style.zoom = Math.max(0.3, room / height);
}

function scale() {
  const zoom = speaker ? 1 : Math.min(innerWidth / 1280, innerHeight / 720);
  document.body.style.setProperty("--zoom", zoom);
  slides.forEach(fit);
}

function show(number, told = false) {
  now = Math.min(Math.max(number, 0), slides.length - 1);
  slides.forEach((slide, n) => slide.classList.toggle("now", n === now));
  if (!speaker) slides[now].scrollIntoView();
  document.querySelector(".place").textContent = `${now + 1} / ${slides.length}`;
  history.replaceState(null, "", `${location.search}#${now + 1}`);
  if (!told) (speaker ? opener : other)?.postMessage(now, "*");
}

const STEPS = {
  ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1,
};

addEventListener("keydown", (event) => {
  const within = event.target.closest?.(".explorer, input, select, textarea, button");
  if (within || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in STEPS) show(now + STEPS[event.key]);
  else if (event.key === "Home") show(0);
  else if (event.key === "End") show(slides.length - 1);
  else if (event.key === "n") {
    document.body.classList.toggle("noted");
    show(now);
  } else if (event.key === "s" && !speaker) other = open(`${location.pathname}?notes#${now + 1}`, "notes", "width=900,height=700");
  else return;
  event.preventDefault();
});
addEventListener("message", ({ data, source }) => {
  if (Number.isInteger(data) && source === (speaker ? opener : other)) show(data, true);
});
addEventListener("resize", scale);
const seen = new IntersectionObserver((entries) => {
  for (const one of entries) {
    if (one.isIntersecting && !speaker) {
      now = slides.indexOf(one.target);
      document.querySelector(".place").textContent = `${now + 1} / ${slides.length}`;
    }
  }
}, { threshold: 0.6 });
slides.forEach((slide) => seen.observe(slide));
// An explorer, and later what it draws, changes the height of its slide.
const watch = new ResizeObserver((changed) => {
  changed.forEach(({ target }) => fit(target.closest(".slide")));
});
document.querySelectorAll(".explorer").forEach((place) => watch.observe(place));
if (speaker) document.body.classList.add("speaker");
scale();
show(now, true);
document.fonts.ready.then(scale);
