// What a reader wrote stays on the reader's machine; in a private window it lasts as long as the page.

export function kept(chapter) {
  try {
    return JSON.parse(localStorage.getItem(`cells:${chapter}`)) ?? {};
  } catch {
    return {};
  }
}

export function keep(chapter, edits) {
  try {
    if (Object.keys(edits).length) localStorage.setItem(`cells:${chapter}`, JSON.stringify(edits));
    else localStorage.removeItem(`cells:${chapter}`);
  } catch { /* nothing is remembered in a private window, or the store is full */ }
}

// Which exercises are solved, and how: by Python's check, or by the page's.
export function progress() {
  try {
    return JSON.parse(localStorage.getItem("solved")) ?? {};
  } catch {
    return {};
  }
}

export function solved(id, by) {
  try {
    localStorage.setItem("solved", JSON.stringify({ ...progress(), [id]: { by, on: new Date().toISOString().slice(0, 10) } }));
  } catch { /* as above */ }
}
