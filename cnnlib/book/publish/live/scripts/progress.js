// The page of progress: a row for each exercise, and a file with the fields of the book's results.
import { progress } from "./keeping.js";

const done = progress();
const rows = [...document.querySelectorAll("tr[data-exercise]")];
const results = rows.map((row) => {
  const { exercise, points } = row.dataset;
  const one = done[exercise];
  if (one) row.lastElementChild.textContent = `✓ ${one.on}, ${one.by === "Python" ? "by check" : "on the page"}`;
  return {
    exercise, status: one ? "right" : "not attempted", points: one ? Number(points) : 0, possible: Number(points),
    ...(one ?? {}),
  };
});
const sum = (name) => results.reduce((total, one) => total + one[name], 0);
const right = results.filter(({ status }) => status === "right").length;
if (right) {
  document.getElementById("solved").textContent = `${right} of ${rows.length} exercises, ${sum("points")} of ${sum("possible")} points.`;
}
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  const text = JSON.stringify({ points: sum("points"), possible: sum("possible"), results }, null, 1);
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "progress.json";
  link.click();
  URL.revokeObjectURL(link.href);
});
document.getElementById("forget").addEventListener("click", () => {
  try {
    localStorage.removeItem("solved");
  } catch { /* nothing was kept */ }
  location.reload();
});
