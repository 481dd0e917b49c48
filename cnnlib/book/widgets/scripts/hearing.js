// What an explorer hears of its model and of its reader's keys.

/** A listener for each name; returns what takes them all off again. */
export function whenChanged(model, names, redraw) {
  names.forEach((name) => model.on(`change:${name}`, redraw));
  return () => names.forEach((name) => model.off(`change:${name}`, redraw));
}

/** Plain keys end at the explorer: m, x or Enter would be commands of the notebook around it. */
export function keepKeys(root) {
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
}

/** Several changes at once are drawn once. */
export function once(draw) {
  let waiting = false;
  return () => {
    if (!waiting) queueMicrotask(() => { waiting = false; draw(); });
    waiting = true;
  };
}
