// Judges numbers and letters as the book's check does; a test compares the two.

// What a reader types: 3, 1/2, "50, 80", [[4, 0], [9, 2]]. undefined: it is none of these.
export function readAnswer(text) {
  const quotient = (_, a, b) => String(Number(a) / Number(b));
  const NUMBER = "([-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[-+]?\\d+)?)";
  let plain = text.trim().replaceAll("−", "-").replaceAll("(", "[").replaceAll(")", "]");
  plain = plain.replace(new RegExp(`${NUMBER}\\s*/\\s*${NUMBER}`, "gi"), quotient);
  plain = plain.replace(new RegExp(NUMBER, "gi"), (found) => String(Number(found)));
  plain = plain.replace(/,\s*(?=\]|$)/g, "");
  if (!plain.startsWith("[") && plain.includes(",")) plain = `[${plain}]`;
  try {
    const value = JSON.parse(plain);
    return numbers(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function numbers(value) {
  return Array.isArray(value) ? value.every(numbers) : typeof value === "number" && Number.isFinite(value);
}

// The lengths along the axes; undefined where the rows differ in length.
function shape(value) {
  if (!Array.isArray(value)) return [];
  const inner = value.map(shape);
  if (inner.some((one) => !one || String(one) !== String(inner[0]))) return undefined;
  return [value.length, ...(inner[0] ?? [])];
}

const flat = (value) => (Array.isArray(value) ? value.flat(Infinity) : [value]);

function places(got, expected, tolerance) {
  const scale = Math.max(1, ...flat(expected).map(Math.abs));
  return flat(got).map((one, at) => Math.abs(one - flat(expected)[at]) > tolerance * scale);
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// What is wrong with an answer, in sentences; none: it is right. An answer that the exercise foresees
// has its own words, in HTML.
export function judged(question, answer) {
  const told = question.told.find(([wrong]) => same(wrong, answer));
  if (told) return { right: false, html: told[1] };
  if (question.letters) return { right: answer === question.right, said: ["Think again: another letter is right."] };
  const named = !Array.isArray(question.right) && typeof question.right === "object";
  const said = [];
  for (const [name, expected] of Object.entries(named ? question.right : { "": question.right })) {
    const got = named ? answer[name] : answer;
    const before = name && `${name}: `;
    const [mine, theirs] = [shape(got), shape(expected)];
    if (!mine || String(mine) !== String(theirs)) {
      const wanted = theirs.length ? `numbers of shape (${theirs.join(", ")}${theirs.length === 1 ? "," : ""})` : "one number";
      said.push(`${before}expected ${wanted}.`);
      continue;
    }
    const wrong = places(got, expected, question.tolerance);
    if (!wrong.includes(true)) continue;
    const marked = flat(got).map((one, at) => (wrong[at] ? `[${one}]` : `${one}`));
    said.push(`${before}${theirs.length ? `wrong in []: ${marked.join("  ")}` : `got ${got}, expected another number`}.`);
  }
  return { right: said.length === 0, said };
}
