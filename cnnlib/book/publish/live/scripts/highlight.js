// Python in the colours of the page: the classes are those that the builder gives.

const WORDS = "and as assert async await break class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield";
const KINDS = [
  ["c1", /#[^\n]*/],
  ["s2", /[rbfuRBFU]{0,2}(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)/],
  ["mi", /\b\d[\w.]*/],
  ["nf", /(?<=\b(?:def|class) )\w+/],
  ["kc", /\b(?:None|True|False)\b/],
  ["k", new RegExp(`\\b(?:${WORDS.replaceAll(" ", "|")})\\b`)],
  ["", /\w+/],
];
const ANY = new RegExp(KINDS.map(([, pattern]) => `(${pattern.source})`).join("|"), "g");

export function highlighted(source) {
  const shown = document.createDocumentFragment();
  let at = 0;
  for (const found of source.matchAll(ANY)) {
    const kind = KINDS[found.slice(1).findIndex((part) => part !== undefined)][0];
    if (!kind) continue;
    shown.append(source.slice(at, found.index));
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = found[0];
    shown.append(span);
    at = found.index + found[0].length;
  }
  shown.append(source.slice(at), "\n");
  return shown;
}
