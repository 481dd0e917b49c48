// What answers a question, best first. The index has the sections' titles, texts and names, and the
// glossary's terms with the sections that explain them; see index.py.
window.makeSearch = (book) => {
  const STOP = new Set(`a about after all also am an and any are as at be been before being but by can could did do does
    doing done else for from get gets getting give gives go goes going had has have how i if in into is it its just like make
    makes me mean meaning means much must my need of on one only or other our out please should show so some still such
    than that the their them then there these they this to too us use used using very want wants was way we were what when
    where which while who whose why will with without work works would you your between explain explained
    explanation happen happens happening question definition per vs versus s t neural python numpy avoid calculate
    calculated calculating implement implemented implementing handle understand understanding find know think help
    problem issue exactly really actually someone anyone possible good best better`.split(/\s+/));
  // Fields, by what a word in them is worth, and how much a long one is held against it.
  const TITLE = [4, 0.4], NAMES = [2.5, 0.5], TEXT = [1, 0.7], CODE = [0.3, 0.7], CHAPTER = [0.5, 0];
  const APART = 0.8, ALIKE = 0.3;
  const WIDE = 0.4;
  const PLAIN = 0.5;
  const FAINT = 0.15; // of the best: what is less is not shown
  const ODD = {
    axes: "axis", indices: "index", matrices: "matrix", maxima: "maximum", minima: "minimum", explosion: "explod",
    convolve: "convolution", convolves: "convolution", convolved: "convolution", convolving: "convolution",
    division: "divide", divisible: "divide", correct: "right", correctly: "right", visualise: "picture", visualize: "picture", plot: "picture", backprop: "backpropagation",
    conv: "convolution", init: "initialise", initial: "initialise", grad: "gradient", grads: "gradient", nans: "nan",
    params: "parameter", param: "parameter", avg: "average", averaging: "average", deriv: "derivative", dims: "dimension",
    dim: "dimension", lr: "rate", tf: "tensorflow", torch: "pytorch", imgs: "image", img: "image", fc: "dense",
    maths: "mathematics", math: "mathematics", perf: "performance", mult: "multiply", derive: "derivation",
  };
  const SPELLING = [[/tre(s|d)?$/, "ter$1"], [/our(s|ed|ing)?$/, "or$1"], [/ys(e|es|ed|ing|er)$/, "yz$1"],
    [/is(e|es|ed|ing|er|ers|ation|ations)$/, "iz$1"], [/ll(ed|ing|er)$/, "l$1"], [/artefact/, "artifact"], [/^grey/, "gray"]];
  const ENDINGS = ["ations", "ation", "ingly", "ively", "ments", "ment", "ness", "able", "ible", "ions", "ion", "ive", "ize",
    "izer", "iz", "ate", "ing", "ors", "ers", "ity", "ies", "ied", "ed", "er", "or", "al", "ic", "ly", "at", "y", "e"];

  /** One form for all forms of a word, British and American. */
  const stems = new Map();
  function stem(word) {
    if (stems.has(word)) return stems.get(word);
    let short = Object.hasOwn(ODD, word) ? ODD[word] : word;
    if (short !== "validation" && short.length > 3 && /^[a-z]+$/.test(short)) {
      if (short.length > 4) for (const [from, to] of SPELLING) short = short.replace(from, to);
      short = short.replace(/(ss|[sxz]|ch|sh)es$/, "$1").replace(/([^su])s$/, "$1");
      for (let before = ""; before !== short;) {
        before = short;
        for (const ending of ENDINGS) {
          const left = short.length - ending.length;
          if (left < (/^(ing|ed|e)$/.test(ending) ? 3 : 4) || !short.endsWith(ending)) continue;
          if (!/[aeiouy]/.test(short.slice(0, left))) continue;
          short = short.slice(0, left).replace(/([bdfgmnprt])\1$/, "$1");
          break;
        }
      }
    }
    stems.set(word, short);
    return short;
  }

  /** The words of a text; as_strided is one, and two. */
  function split(text) {
    const plain = text.toLowerCase().replace(/n['’]t\b/g, " not").replace(/difference between/g, "").replace(/['’]s\b/g, "");
    const found = plain.match(/\p{L}[\p{L}\d_]*|\d+(?:\.\d+)*/gu) || [];
    return found.flatMap((word) => (word.includes("_") ? [word, ...word.split("_").filter(Boolean)] : [word]));
  }
  const said = (text) => {
    const all = split(text);
    const kept = all.filter((word) => !STOP.has(word));
    return kept.length ? kept : all;
  };

  // ---- The index, turned round: for each stem the sections that have it

  const postings = new Map();
  const spoken = new Map(); // a word as it is written: its stem
  const RELATED = new Map(); // stems that say nearly the same
  for (const group of ["backpropagation backward gradient derivative", "size shape dimension", "mistake bug wrong",
    "flip rotate turn", "edge border", "fourier fft frequency"]) {
    const forms = group.split(" ").map(stem);
    for (const form of forms) RELATED.set(form, forms.filter((other) => other !== form));
  }
  const naming = new Set(); // stems in titles and names
  // A long text has one character for each of its pieces; see pieces.py.
  const spelt = (coded) => Array.from(coded, (sign) => book.pieces[sign.charCodeAt(0) - 35]).join("");
  const sections = book.sections.map(([address, title, chapter, worth, ...long], number) => {
    const [text, code, names] = long.map(spelt);
    const fields = [[title, TITLE], [names, NAMES], [text, TEXT], [code, CODE], [chapter, CHAPTER]];
    return { address, title, chapter, worth, text, number, fields };
  });
  const average = [0, 1, 2, 3, 4].map((field) => {
    const lengths = sections.map((section) => section.fields[field][0].length);
    return lengths.reduce((sum, length) => sum + length, 0) / lengths.length || 1;
  });
  for (const section of sections) {
    const counts = new Map();
    section.fields.forEach(([text, [weight, slope]], field) => {
      const long = 1 - slope + slope * text.length / average[field];
      for (const word of split(text)) {
        const form = stem(word);
        spoken.set(word, form);
        if (field < 2) naming.add(form);
        counts.set(form, (counts.get(form) || 0) + weight / long);
      }
    });
    for (const [form, count] of counts) {
      if (!postings.has(form)) postings.set(form, []);
      postings.get(form).push([section.number, count / (count + 5)]);
    }
    delete section.fields;
  }
  // A word that stands in no title and in no name says less of what is asked.
  const rare = (form) => Math.log(1 + sections.length / (0.5 + (postings.get(form) || []).length)) * (naming.has(form) && !/^\d/.test(form) ? 1 : PLAIN);

  const fileOf = (address) => address.split("#")[0];
  const chapterOf = new Map(sections.map(({ address, chapter }) => [fileOf(address), chapter]));
  const phrases = new Map(); // the stems of a name in one: these stems, and the term
  for (const [names, id, says, sections, chapters] of book.terms) {
    const term = { name: names[0], id, says: spelt(says), chapters, sections };
    for (const name of names) {
      const forms = said(name).map(stem);
      const alone = forms.length === 1 && split(name).length > 1; // what is left of it says too little
      if (!alone && !phrases.has(forms.join(" "))) phrases.set(forms.join(" "), { term, forms });
    }
  }
  const questions = book.questions.map(([asked, sections]) => ({
    forms: [...new Set(said(asked).map(stem))], sections,
  }));

  // ---- What a question says

  /** How many letters to change, leave out, add or swap, up to `most`. */
  function apart(a, b, most) {
    if (Math.abs(a.length - b.length) > most) return most + 1;
    let before = [], last = [...Array(b.length + 1).keys()];
    for (let i = 1; i <= a.length; i++) {
      const row = [i];
      for (let j = 1; j <= b.length; j++) {
        row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
        if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], before[j - 2] + 1);
      }
      if (Math.min(...row) > most) return most + 1;
      [before, last] = [last, row];
    }
    return last[b.length];
  }

  /** The known words that a word may stand for: itself, a beginning, two words in one, a slip. */
  function meant(word, typing) {
    const form = stem(word);
    if (postings.has(form)) return [form];
    if (typing && word.length > 2) {
      const begun = [...spoken].filter(([other]) => other.startsWith(word)).map(([, known]) => known);
      if (begun.length) return [...new Set(begun)].sort((a, b) => rare(a) - rare(b)).slice(0, 4);
    }
    return close(word, 1);
  }

  function close(word, most) {
    if (word.length < 4) return [];
    for (let cut = 3; cut <= word.length - 3; cut++) {
      const parts = [word.slice(0, cut), word.slice(cut)].map(stem);
      if (parts.every((part) => part.length > 2 && postings.has(part))) return parts;
    }
    const slips = [];
    for (const [other, form] of spoken) {
      const steps = /^\d/.test(other) ? most + 1 : apart(word, other, most);
      if (steps <= most) slips.push([steps + (other[0] === word[0] ? 0 : 0.5), rare(form), form]);
    }
    slips.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    return slips.slice(0, 1).map(([, , form]) => form);
  }

  /** The terms that a question names, the longest names first, and how rare their words are. */
  function named(forms) {
    const asked = ` ${forms.join(" ")} `;
    const has = new Set(forms);
    const fits = [...phrases]
      .filter(([, { forms: name }]) => name.every((form) => has.has(form)))
      .map(([key, { term, forms: name }]) => ({ term, name, whole: asked.includes(` ${key} `) }))
      .sort((a, b) => b.name.length - a.name.length || b.whole - a.whole);
    const found = [];
    const taken = new Set();
    for (const { term, name, whole } of fits) {
      if (name.some((form) => taken.has(form))) continue;
      name.forEach((form) => taken.add(form));
      const weight = name.reduce((sum, form) => sum + rare(form), 0) * (whole ? 1 : APART);
      if (!found.some(([other]) => other === term)) found.push([term, weight, name]);
    }
    return found;
  }

  /** How like a question is to one that the book knows, and its sections. */
  function asking(forms) {
    const has = new Set(forms);
    const sum = (some) => some.reduce((total, form) => total + rare(form), 0);
    return questions
      .map(({ forms: known, sections: there }) => {
        const common = known.filter((form) => has.has(form));
        return [common.length > 1 ? sum(common) ** 2 / (sum(known) * sum([...has])) : 0, there];
      })
      .filter(([like]) => like > ALIKE);
  }

  /** What has just this number or this id: 3.11, exercise 3.1, (3.4), D19. */
  function exact(question) {
    const asked = question.trim().toLowerCase();
    const mistake = asked.match(/^(?:mistake|error|bug)? *([a-z]\d+)$/);
    if (mistake) return sections.filter(({ address }) => address.toLowerCase() === `mistakes.html#${mistake[1]}`);
    const number = asked.match(/^(exercise|task|ex|equation|eq|formula|section)?\.? *(\(?)(\w?\d+\.\d+)\)?$/);
    if (!number) return [];
    const own = sections.filter(({ title }) => title.split(" ")[0] === number[3]);
    const kind = /^(ex|task)/.test(number[1]) ? "Exercise" : /^(eq|form)/.test(number[1]) || number[2] ? "Equation" : "";
    const listed = book.numbers.filter(([name]) => name.split(" ")[1] === number[3])
      .map(([title, address]) => ({ title, address, chapter: chapterOf.get(fileOf(address)), text: "" }))
      .sort((a, b) => b.title.startsWith(kind) - a.title.startsWith(kind));
    return kind ? [...listed, ...own] : [...own, ...listed];
  }

  /** What a question's words are worth, and at a discount what others say for them. */
  function weighed(forms, found) {
    const weights = new Map(forms.map((form) => [form, rare(form)]));
    // TensorFlow, beside other words, only says which chapter.
    for (const [{ sections, chapters }, , name] of forms.length > 1 ? found : []) {
      if (chapters.length < sections.length) continue;
      for (const form of name) weights.set(form, PLAIN * rare(form));
    }
    for (const form of forms) {
      for (const other of (RELATED.get(form) || []).filter((other) => postings.has(other) && !weights.has(other))) {
        weights.set(other, PLAIN * rare(other));
      }
    }
    return weights;
  }

  /**
   * Find what answers a question.
   *
   * @param {string} question
   * @param {boolean} typing whether the last word may not be finished
   */
  return (question, typing = false) => {
    const asked = said(question);
    const score = new Map();
    const shown = new Set(), unknown = [];
    const forms = [];
    let all = 0;
    asked.forEach((word, place) => {
      const known = meant(word, typing && place === asked.length - 1);
      if (!known.length) unknown.push(word);
      forms.push(...known);
    });
    const found = named(forms);
    const weights = weighed([...new Set(forms)], found);
    for (const [form, weight] of weights) {
      const own = forms.includes(form);
      if (own) all += weight;
      shown.add(form);
      for (const [number, count] of postings.get(form)) {
        const sum = score.get(number) || { words: 0, covered: 0, term: 0 };
        sum.words += weight * count;
        sum.covered += own ? weight : 0;
        score.set(number, sum);
      }
    }
    for (const [term, rarity] of found) {
      // Beside others, a term of whole chapters only says which.
      const weight = rarity * (found.length > 1 && term.chapters.length ? WIDE : 1);
      term.sections.forEach((number, place) => {
        const sum = score.get(number) || { words: 0, covered: 0, term: 0 };
        sum.term += weight * Math.sqrt(weight / all) * [1, 0.7, 0.5, 0.4][Math.min(place, 3)];
        score.set(number, sum);
      });
    }
    for (const [like, there] of asking(forms)) {
      there.forEach((number, place) => {
        const sum = score.get(number) || { words: 0, covered: 0, term: 0 };
        sum.term += like * all * [1, 0.7, 0.5, 0.4][Math.min(place, 3)];
        score.set(number, sum);
      });
    }
    const first = exact(question);
    const near = new Set(found.flatMap(([term]) => term.chapters));
    const worth = ({ chapter, worth }) => worth * (near.has(chapter) ? 1.3 : 1);
    const ranked = [...score]
      .map(([number, sum]) => [(sum.words * (0.4 + 0.6 * sum.covered / all) + sum.term) * worth(sections[number]), number])
      .sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    const rest = ranked.filter(([value]) => value > FAINT * ranked[0][0]).map(([, number]) => sections[number]);
    return {
      hits: [...new Set([...first, ...rest])],
      terms: found.map(([term]) => term),
      unknown,
      shows: (word) => shown.has(stem(word.toLowerCase())),
      nearest: [...new Set(unknown.flatMap((word) => close(word, 3)))],
    };
  };
};
