// Gives a widget's module its model where there is no kernel (the anywidget front-end contract).
// A page holds this as a script of its own, without the modules.

function explorerModel(state) {
  const values = structuredClone(state);
  const listeners = [];
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const emit = (event) => listeners.filter((l) => l.event === event).forEach((l) => l.heard());
  return {
    get: (name) => values[name],
    set(name, value) {
      if (same(values[name], value)) return;
      values[name] = value;
      emit(`change:${name}`);
      emit("change");
    },
    on(events, heard) {
      for (const event of events.split(" ")) listeners.push({ event, heard });
    },
    off(events, heard) {
      for (let i = listeners.length - 1; i >= 0; i--) {
        const known = !events || events.split(" ").includes(listeners[i].event);
        if (known && (!heard || listeners[i].heard === heard)) listeners.splice(i, 1);
      }
    },
    save_changes: () => emit("saved"),
  };
}

// The state in an address: a=3&b=0,1&c=1,2;3,4. A list of one entry ends in its separator.
const BETWEEN = [",", ";", ":", "/"]; // the entries of lists, of lists of lists and so on

function writeAddress(value) {
  if (Array.isArray(value)) {
    let depth = 0;
    for (let first = value[0]; Array.isArray(first); first = first[0]) depth += 1;
    const between = BETWEEN[depth];
    return value.map(writeAddress).join(between) + (value.length === 1 ? between : "");
  }
  if (value && typeof value === "object") return encodeURIComponent(JSON.stringify(value));
  return encodeURIComponent(value === null ? "none" : value);
}

function readAddress(text) {
  for (const between of [...BETWEEN].reverse()) {
    if (text.includes(between)) {
      return text.split(between).filter((part, i) => i === 0 || part !== "").map(readAddress);
    }
  }
  const word = decodeURIComponent(text);
  if (word.startsWith("{")) return JSON.parse(word);
  const known = { none: null, true: true, false: false };
  if (Object.hasOwn(known, word)) return known[word];
  return word !== "" && Number.isFinite(Number(word)) ? Number(word) : word;
}

const LONGEST_ADDRESS = 20000; // characters: a drawing of every pixel has less than 1000

// What `first` names may be addressed: the state that a reader changes. Anybody may have written an
// address, so whatever is wrong with it ends in an Error with a sentence.
function addressedState({ first }, hash) {
  if (hash.length > LONGEST_ADDRESS) throw new Error(`it has ${hash.length} characters`);
  const pairs = hash.slice(1).split("&").filter(Boolean).map((pair) => pair.split("="));
  return Object.fromEntries(pairs.map(([name, value = ""]) => {
    if (!Object.hasOwn(first, name)) throw new Error(`there is no setting ${name.slice(0, 40)}`);
    try {
      return [name, readAddress(value)];
    } catch {
      throw new Error(`${name} is '${value.slice(0, 40)}', which is no part of an address`);
    }
  }));
}

async function mountExplorer(element, moduleText, state, { address = false } = {}) {
  const url = URL.createObjectURL(new Blob([moduleText], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  URL.revokeObjectURL(url);
  let model;
  let root;
  const draw = async (values) => {
    model = explorerModel(values);
    root = document.createElement("div");
    await widget.initialize?.({ model });
    await widget.render({ model, el: root });
  };
  let refused = "";
  if (address && location.hash.length > 1) {
    try {
      const wanted = { ...state, ...addressedState(state, location.hash) };
      widget.check?.(wanted);
      const first = Object.fromEntries(Object.keys(state.first).map((name) => [name, wanted[name]]));
      await draw({ ...wanted, first }); // Reset comes back to what the link shows
    } catch (error) {
      refused = `The address asks for what cannot be: ${error.message}.`;
      root = undefined;
    }
  }
  if (!root) await draw(state);
  if (refused) {
    const note = document.createElement("p");
    note.setAttribute("role", "alert");
    note.textContent = refused;
    root.prepend(note);
  }
  element.append(root);
  element.classList.add("mounted");
  if (!address) return;
  model.on("saved", () => {
    const changed = Object.keys(state.first).filter(
      (name) => JSON.stringify(model.get(name)) !== JSON.stringify(state[name]),
    );
    const hash = changed.map((name) => `${name}=${writeAddress(model.get(name))}`).join("&");
    history.replaceState(null, "", `#${hash}`);
  });
  window.addEventListener("hashchange", () => location.reload());
}
