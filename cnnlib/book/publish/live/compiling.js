// Run by Node.js when the pages are made, in a folder with Pyodide, `given.zip` and `byte_code.py`:
// leaves `made.zip`, the byte code of what a page imports.
const { readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

const [, , folder] = process.argv;
const { loadPyodide } = require(join(folder, "pyodide.js"));

async function main() {
  // The order of a set goes into the byte code: the same sources give the same bytes.
  const env = { HOME: "/home/pyodide", MPLBACKEND: "Agg", PYTHONHASHSEED: "0" };
  const python = await loadPyodide({ indexURL: folder, env });
  const given = new Uint8Array(readFileSync(join(folder, "given.zip")));
  python.unpackArchive(given, "zip", { extractDir: "/lib/python3.12/site-packages" });
  python.runPython(readFileSync(join(folder, "byte_code.py"), "utf8"));
  writeFileSync(join(folder, "made.zip"), python.FS.readFile("/made.zip"));
}

main().catch((error) => {
  console.error(String(error.message ?? error).trim().split("\n").at(-1));
  process.exit(1);
});
