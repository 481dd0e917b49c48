// The written sum, and beneath it the place where a refusal gives its reason.

import { element, write } from "./elements.js";

/** A sum that `scrolls` is reached by Tab, so that keys scroll it. */
export function statement({ scrolls = false } = {}) {
  const said = element("pre", { class: "cnn-sum", role: "status", "aria-live": "polite",
    tabindex: scrolls ? 0 : null });
  const reason = element("p", { class: "cnn-refusal", role: "alert" });
  return {
    element: element("div", { class: "cnn-statement" }, said, reason),
    say: (text) => write(said, text),
    refuse: (text) => write(reason, text),
    quiet: (on) => said.setAttribute("aria-live", on ? "off" : "polite"),
  };
}
