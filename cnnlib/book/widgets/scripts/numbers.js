// Numbers as readers type them, and as they fit into a cell.

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * A number or a fraction, 1/9 say; a comma is a point, − a minus. NaN for anything else.
 * @param {string} text
 */
export function readNumber(text) {
  const parts = text.trim().replace(/−/g, "-").replace(",", ".").split("/").map((part) => part.trim());
  if (parts.length > 2 || !parts.every((part) => NUMBER.test(part))) return NaN;
  const value = parts.map(Number).reduce((above, below) => above / below);
  return Number.isFinite(value) ? value + 0 : NaN; // + 0: a zero has no sign
}

/**
 * One number, or one for each axis (2,3), or a pair for each axis (1,0;0,1); null for nothing.
 * @param {string} text
 * @returns {any}
 */
export function readNumbers(text) {
  const list = (part) => part.split(/[,×x]/).filter((one) => one.trim() !== "").map(readNumber);
  const parts = text.split(";").filter((part) => part.trim() !== "").map(list);
  if (text.includes(";")) return parts;
  if (!parts.length) return null;
  return /[,×x]/.test(text) ? parts[0] : parts[0][0];
}

/** @param {any} value */
export function writeNumbers(value) {
  const line = (part) => [part].flat().join(",");
  if (Array.isArray(value?.[0])) return value.map(line).join(";") + ";".repeat(Number(value.length === 1));
  return line(value ?? "");
}

/**
 * A number in at most six characters, if possible: in three digits where all of them do not fit.
 * @param {number} value
 */
export function short(value) {
  const whole = String(value);
  return whole.length <= 5 ? whole : String(Number(value.toPrecision(3)));
}
