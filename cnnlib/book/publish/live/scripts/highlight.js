// Python in the colours of the page: the elements are those that the builder gives.

const WORDS = "and as assert async await break class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield";
const KINDS = [
  ["small", /#[^\n]*/],
  ["u", /[rbfuRBFU]{0,2}(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)/],
  ["var", /(?<=\b(?:def|class) )\w+/],
  ["b", /\b(?:None|True|False)\b/],
  ["b", new RegExp(`\\b(?:${WORDS.replaceAll(" ", "|")})\\b`)],
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
    const coloured = document.createElement(kind);
    coloured.textContent = found[0];
    shown.append(coloured);
    at = found.index + found[0].length;
  }
  shown.append(source.slice(at), "\n");
  return shown;
}
