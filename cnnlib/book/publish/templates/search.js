// The search page: ranking.js finds, search-index.js has what it finds.
(() => {
  const MOST = 30; // results on the page
  const field = document.querySelector("main input");
  const list = document.querySelector("#found");
  const status = document.querySelector("#status");
  const meant = document.querySelector("#meant");
  const search = window.makeSearch(window.BOOK_INDEX);

  const element = (tag, text = "", attributes = {}) => {
    const made = Object.assign(document.createElement(tag), attributes);
    made.textContent = text;
    return made;
  };

  /** The piece of a section's text with most of the words that were asked for, these marked. */
  function excerpt({ text }, shows) {
    const pieces = text.split(/([\p{L}\p{N}_]+)/u); // every second one is a word
    const hits = pieces.map((piece, at) => at % 2 === 1 && shows(piece));
    const LONG = 70; // pieces
    let best = 0, most = -1, inside = 0;
    hits.forEach((hit, at) => {
      inside += hit - (at >= LONG ? hits[at - LONG] : 0);
      if (inside > most) [most, best] = [inside, Math.max(0, at - LONG + 1)];
    });
    const first = hits.indexOf(true, best);
    if (first > best + 12) best = first - 12;
    const line = element("p", best ? "… " : "");
    pieces.slice(best, best + LONG).forEach((piece, at) => {
      line.append(hits[best + at] ? element("mark", piece) : piece);
    });
    if (best + LONG < pieces.length) line.append(" …");
    return line;
  }

  function item(hit, shows) {
    const made = element("li");
    made.append(element("a", hit.title, { href: hit.address }));
    if (hit.chapter && hit.chapter !== hit.title) made.append(element("span", hit.chapter, { className: "chapter" }));
    if (hit.text) made.append(excerpt(hit, shows));
    return made;
  }

  function definition({ name, id, says }) {
    const line = element("p");
    line.append(element("a", name, { href: `glossary.html#${id}` }), `: ${says}`);
    return line;
  }

  function counted(hits, unknown, nearest) {
    const known = hits.length > MOST ? `The first ${MOST} of ${hits.length} sections` : `${hits.length} sections`;
    const count = hits.length === 1 ? "1 section" : known;
    if (hits.length) return unknown.length ? `${count}, without ${unknown.join(", ")}` : count;
    return nearest.length
      ? `No section has ${unknown.join(", ")}. What is nearest to it:`
      : "No section has these words. The glossary and the index of subjects list what there is.";
  }

  function show(typing) {
    const asked = field.value.trim();
    const answer = asked ? search(asked, typing) : { hits: [], terms: [], unknown: [], nearest: [] };
    const { hits, terms, unknown, nearest } = answer;
    const near = !hits.length && nearest.length ? search(nearest.join(" ")) : answer;
    meant.replaceChildren(...terms.slice(0, 2).map(definition));
    list.replaceChildren(...near.hits.slice(0, MOST).map((hit) => item(hit, near.shows)));
    status.textContent = asked ? counted(hits, unknown, nearest) : "";
  }

  field.value = new URLSearchParams(location.search).get("q") || field.value;
  field.addEventListener("input", () => show(true));
  field.addEventListener("change", () => show(false));
  show(false);
})();
