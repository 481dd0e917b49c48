// Full-text search over window.BOOK_INDEX: [address, title, text] for every section.
(() => {
  const field = document.querySelector("main input");
  const list = document.querySelector("#found");
  const status = document.querySelector("#status");
  const prepared = window.BOOK_INDEX.map(([address, title, text]) => ({
    address, title, text, low: `${title}\n${text}`.toLowerCase(),
  }));

  function excerpt(section, words) {
    const low = section.text.toLowerCase();
    const at = Math.max(0, ...words.map((word) => low.indexOf(word)));
    const from = at < 70 ? 0 : section.text.indexOf(" ", at - 70) + 1;
    const line = document.createElement("p");
    const part = section.text.slice(from, from + 220);
    const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    part.split(new RegExp(`(${escaped.join("|")})`, "i")).forEach((piece, number) => {
      const mark = number % 2 ? document.createElement("mark") : document.createElement("span");
      mark.textContent = piece;
      line.append(mark);
    });
    line.prepend(from ? "… " : "");
    line.append(from + 220 < section.text.length ? " …" : "");
    return line;
  }

  function search() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length
      ? prepared.filter((section) => words.every((word) => section.low.includes(word)))
      : [];
    const titled = (section) => words.every((word) => section.title.toLowerCase().includes(word));
    found.sort((a, b) => titled(b) - titled(a));
    list.replaceChildren(...found.slice(0, 50).map((section) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = section.address;
      link.textContent = section.title;
      item.append(link, excerpt(section, words));
      return item;
    }));
    const count = found.length === 1 ? "1 section" : `${found.length} sections`;
    status.textContent = words.length ? count : "";
  }

  field.value = new URLSearchParams(location.search).get("q") || field.value;
  field.addEventListener("input", search);
  search();
})();
