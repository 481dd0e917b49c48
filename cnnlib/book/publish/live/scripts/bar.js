// The bar at the foot of the page: what Python does, how far it is, and how to end it.

export function makeBar({ stop, restart, download }) {
  const bar = document.createElement("div");
  bar.className = "python";
  bar.setAttribute("role", "region");
  bar.setAttribute("aria-label", "Python");
  const status = document.createElement("span");
  status.setAttribute("role", "status");
  const measure = document.createElement("progress");
  measure.setAttribute("aria-label", "Loaded");
  measure.hidden = true;
  const printed = document.createElement("pre");
  printed.hidden = true;
  const button = (text, heard) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", heard);
    return made;
  };
  const end = button("Stop", stop);
  const anew = button("Restart", restart);
  bar.append(status, measure, end, anew, button("Download as a notebook", download), printed);
  return {
    sentence: "",
    say(word, sentence) {
      if (!bar.isConnected) document.body.append(bar);
      this.sentence = sentence;
      measure.hidden = true;
      printed.hidden = printed.hidden || word === "running";
      const busy = word === "running" || word === "loading";
      end.hidden = !busy;
      anew.hidden = busy;
      status.textContent = sentence;
    },
    progress(got, of, sentence) {
      const size = (bytes) => (bytes / 1e6).toFixed(1);
      this.sentence = got < of ? `${sentence}: ${size(got)} of ${size(of)} MB.` : `${sentence}.`;
      status.textContent = this.sentence;
      measure.hidden = false;
      measure.max = of;
      measure.value = got;
    },
    // What a picture's own listeners print.
    print(output) {
      printed.hidden = false;
      printed.textContent = `${printed.textContent}${output.text ?? output.traceback?.join("\n") ?? ""}`.slice(-2000);
    },
  };
}
