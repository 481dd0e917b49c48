// What the text and the formulas do without: copying, remembered folds, the place in the book.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const main = document.querySelector("main");
  const page = document.body.dataset.page;
  const folder = location.pathname.replace(/[^/]*$/, "");
  const memory = (key) => ({
    get(otherwise) {
      try { return JSON.parse(localStorage.getItem(key)) ?? otherwise; } catch { return otherwise; }
    },
    set(value) {
      try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* a private window */ }
    },
  });

  // An address from before the chapter had several pages leads to the page that has the place now.
  const elsewhere = JSON.parse(document.getElementById("elsewhere")?.textContent ?? "{}");
  function forward() {
    const place = decodeURIComponent(location.hash.slice(1));
    if (!place || document.getElementById(place)) return;
    const target = Object.keys(elsewhere).find((name) => elsewhere[name].includes(place));
    if (target) location.replace(`${target}.html${location.hash}`);
  }
  forward();
  addEventListener("hashchange", forward);

  // Folded parts stay as the reader left them. Each is known by its section and its words, which
  // stay when the text around it changes. This runs before the browser restores the place.
  const folds = new Map();
  let section = "";
  for (const one of all("h1[id], h2[id], h3[id], details", main)) {
    if (one.localName !== "details") section = one.id;
    else if (!one.closest(".cnn-explorer")) { // those have their own
      const name = `${section}/${one.querySelector("summary")?.textContent}`;
      const count = [...folds.values()].filter((other) => other.replace(/~\d+$/, "") === name).length;
      folds.set(one, count ? `${name}~${count}` : name);
    }
  }
  const opened = memory(`folds:${folder}${page}`);
  const open = new Set(opened.get([]));
  for (const [fold, name] of folds) {
    fold.open ||= open.has(name);
    fold.addEventListener("toggle", () => {
      opened.set([...folds].filter(([one]) => one.open).map(([, other]) => other));
    });
  }
  // What an address names is shown, also where it is folded.
  function unfold() {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let one = place; one; one = one.parentElement) if (one.localName === "details") one.open = true;
  }
  unfold();
  addEventListener("hashchange", unfold);

  async function copy(button, code) {
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch { // a page without https
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
      getSelection().removeAllRanges();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }
  for (const code of all(".source code, .cite pre")) {
    const button = document.createElement("button");
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", () => copy(button, code));
    (code.closest(".source") ?? code.parentElement).append(button);
  }

  // What can be scrolled sideways can be scrolled with the keyboard. Measuring waits for the text.
  const reach = () => {
    const boxes = all("main pre, .scroll, .equation, .long, .cite pre");
    const wide = boxes.map((box) => box.scrollWidth > box.clientWidth);
    boxes.forEach((box, number) => box.toggleAttribute("tabindex", wide[number]));
    boxes.filter((_, number) => wide[number]).forEach((box) => { box.tabIndex = 0; });
  };
  addEventListener("resize", reach);
  addEventListener("load", () => setTimeout(reach));

  // The place: the section that is being read is marked in the contents and named in the header,
  // and what has been read to its end is remembered on this device, and nowhere else.
  const contents = document.getElementById("contents");
  const links = new Map(all(".sections a", contents).map((link) => [
    decodeURIComponent(link.hash.slice(1)), link,
  ]));
  const heads = all("h1[id], h2[id]", main).filter((head, number) => !number || links.has(head.id));
  const named = document.querySelector(".top .section");
  const gone = document.querySelector(".top .gone");
  const progress = memory(`read:${folder}`);
  const titles = heads.map((head) => head.textContent.replace(/\s*#\s*$/, "").trim());
  const numbered = Boolean(document.querySelector(".top .here")); // a page of a chapter

  function mark() {
    const read = progress.get({ pages: {} }).pages;
    for (const link of all('li > a[href$=".html"]', contents)) {
      const { done, total } = read[link.getAttribute("href").replace(".html", "")] ?? { done: [], total: 0 };
      const all = done.length >= total ? "read" : `${done.length} of ${total} read`;
      link.dataset.read = done.length ? all : "";
    }
    for (const [id, link] of links) link.dataset.read = read[page]?.done.includes(id) ? "read" : "";
  }

  let current = -1;
  function look() {
    const line = innerHeight / 3;
    const tops = heads.map((head) => head.getBoundingClientRect().top);
    const now = Math.max(0, tops.filter((top) => top < line).length - 1);
    const bottom = now + 1 < heads.length ? tops[now + 1] : main.getBoundingClientRect().bottom;
    const length = document.documentElement.scrollHeight - innerHeight;
    gone.style.width = `${length > 0 ? Math.min(100, 100 * scrollY / length) : 100}%`;
    if (now !== current) {
      links.get(heads[current]?.id)?.removeAttribute("aria-current");
      current = now;
      const link = links.get(heads[now]?.id);
      link?.setAttribute("aria-current", "location");
      if (link && contents.scrollHeight > contents.clientHeight && scrollY > 0) {
        const box = link.getBoundingClientRect();
        const around = contents.getBoundingClientRect();
        if (box.top < around.top || box.bottom > around.bottom) {
          contents.scrollTop += box.top - around.top - around.height / 3;
        }
      }
      named.textContent = now ? titles[now] : "";
    }
    if (!numbered || !heads.length) return;
    const kept = progress.get({ pages: {} });
    const own = kept.pages[page] ??= { done: [], total: 0 };
    own.total = links.size;
    const id = heads[now].id;
    const last = { page, id, title: now ? titles[now] : titles[0] };
    const ended = bottom < innerHeight + 1 && links.has(id) && !own.done.includes(id);
    if (ended) own.done.push(id);
    if (ended || kept.last?.page !== page || kept.last?.id !== id) {
      progress.set({ ...kept, last });
      if (ended) mark();
    }
  }
  let waiting = false;
  const soon = () => {
    if (!waiting) requestAnimationFrame(() => { waiting = false; look(); });
    waiting = true;
  };
  mark();
  addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", soon);
  addEventListener("load", soon);

  // On a phone the contents lie over the page until one is chosen.
  contents.addEventListener("click", (event) => {
    if (event.target.closest("a") && contents.matches(":popover-open")) contents.hidePopover();
  });

  const place = document.querySelector("p.continue");
  const { last } = progress.get({});
  if (place && last) {
    const link = place.querySelector("a");
    link.href = `${last.page}.html#${encodeURIComponent(last.id)}`;
    link.textContent = last.title;
    place.hidden = false;
  }

  // A citation names the section that is being read, and where.
  document.querySelector(".cite")?.addEventListener("toggle", ({ target }) => {
    const text = target.querySelector("pre");
    const address = `${location.href.split("#")[0]}#${encodeURIComponent(heads[current]?.id ?? "")}`;
    text.dataset.plain ??= text.textContent;
    const words = text.dataset.plain.replace("note = {", () => `note = {${current > 0 ? `${titles[current]}. ` : ""}`);
    text.textContent = words.replace(/\}\n\}$/, () => `},\n  url = {${address}}\n}`);
  });
})();
