// The page of a classifier: a text or numbers, the verdict, and what each word gave to it.

const WINDOW_STEPS = 200; // steps that are explained of a longer sequence: the last ones
const LONGEST_ERASURE = 120; // steps for which each is left out in turn
const MOST_BARS = 12;

const view = {
  start(network) {
    this.network = network;
    this.tokenizer = network.tokenizer ? new Tokenizer(network.tokenizer) : null;
    this.words = new WordRow(byId("words"), (at) => this.pointAt(at));
    const explained = byId("explained");
    explained.replaceChildren(element("option", "", { value: "", "data-text": "of_verdict" }));
    network.labels.forEach((label, i) => explained.append(element("option", label, { value: i })));
    const render = atNextFrame(() => this.render());
    byId("text").addEventListener("input", render);
    explained.addEventListener("change", render);
  },

  /** The steps of what is in the field, each with its token: [{id or numbers, piece, known}]. */
  read(text) {
    const { network, tokenizer } = this;
    if (network.kind === "numbers") {
      const steps = readNumbers(text, network.features, network.beside);
      return steps.map((numbers, i) => ({ step: numbers.map(Math.fround), piece: String(i + 1), known: true }));
    }
    let tokens = tokenizer.read(text);
    if (network.kind === "tokens") {
      tokens = text.split(/\s+/u).filter(Boolean).map((piece) => ({ id: tokenizer.ids.get(piece) || UNKNOWN, piece }));
    }
    return tokens.map(({ id, piece }) => ({ step: id, piece, known: id !== UNKNOWN }));
  },

  render() {
    const { network } = this;
    this.run = {}; // What was begun for an earlier text stops.
    byId("text-label").textContent = say(network.kind === "numbers" ? "numbers" : network.kind === "texts" ? "text" : "tokens", network);
    byId("words-title").textContent = say(network.kind === "numbers" ? "steps" : "words");
    byId("words").setAttribute("aria-label", say(network.kind === "numbers" ? "steps" : "words"));
    byId("trouble").textContent = "";
    let every = [];
    try {
      every = this.read(byId("text").value);
    } catch (trouble) {
      if (!(trouble instanceof RangeError)) throw trouble;
      byId("trouble").textContent = trouble.message;
    }
    this.tokens = every.slice(0, network.most ?? undefined);
    const cut = this.tokens.length < every.length;
    byId("hint").textContent = cut ? say("hint_cut", { most: network.most, count: every.length }) : say("hint_text");
    byId("explanation").hidden = !this.tokens.length;
    byId("bars").hidden = !this.tokens.length;
    if (!this.tokens.length) {
      byId("verdict").textContent = say("write");
      byId("said").textContent = "";
      return;
    }
    this.judged = judge(network, this.tokens.map(({ step }) => step));
    this.showVerdict();
    this.explain();
  },

  showVerdict() {
    const { labels } = this.network;
    const { probabilities } = this.judged;
    const said = say("says", { label: labels[best(probabilities)], share: percent(Math.max(...probabilities)) });
    byId("verdict").textContent = said;
    saySlowly(said);
    let places = labels.map((_, i) => i);
    if (places.length > MOST_BARS) places = places.sort((a, b) => probabilities[b] - probabilities[a]).slice(0, MOST_BARS);
    const bars = places.map((place) => {
      const bar = element("li");
      const fill = element("span", "", { class: "fill", "aria-hidden": "true" });
      fill.style.setProperty("--share", probabilities[place]);
      bar.append(element("span", labels[place], { class: "name" }), fill, element("span", percent(probabilities[place]), { class: "number" }));
      bar.classList.toggle("most", place === best(probabilities));
      return bar;
    });
    byId("bars").replaceChildren(...bars);
  },

  /** The class that is explained, and the strongest other one. */
  sides() {
    const chosen = byId("explained").value;
    const { scores } = this.judged;
    const label = chosen === "" ? best(scores) : Number(chosen);
    const others = Array.from(scores, (score, i) => (i === label ? -Infinity : score));
    return [label, best(others)];
  },

  /** What each token of the window gave, exactly if the cell lets it; else by leaving each out, a few at a time. */
  explain() {
    const { network, judged, tokens } = this;
    const { layers } = network;
    const T = tokens.length;
    const [label, rival] = this.sides();
    this.claim = say("rather", { label: network.labels[label], rival: network.labels[rival] });
    this.label = network.labels[label];
    this.window = [Math.max(T - WINDOW_STEPS, 0), T];
    const shown = tokens.slice(...this.window);
    const kinds = { parts: Boolean(this.tokenizer?.merges), characters: this.tokenizer?.splits.some(({ kind }) => kind === "Isolated") };
    this.shown = wordsOf(shown, network.kind === "texts" ? kinds : {});
    const exact = layers.levels.length === 1 && layers.memory?.shows;
    const followed = layers.memory ? followAll(layers, judged.read, this.window, exact ? judged.weights : null) : null;
    this.kept = followed && keptOfWords(this.shown, keptShares(followed));
    const difference = (scores) => scores[label] - scores[rival];
    if (exact) {
      const { own, rest, initial, bias } = shares(network, judged, this.window, followed);
      const parts = { rest: difference(rest), initial: difference(initial), bias: difference(bias) };
      this.showWords(own.map(difference), "exact");
      this.addUp(own.map(difference), parts, difference(judged.scores));
      return;
    }
    byId("adds-up").textContent = "";
    if (shown.length > LONGEST_ERASURE) this.showWords(shown.map(() => 0), "too_long");
    else this.erase(difference);
  },

  erase(difference) {
    const { network, judged, tokens, run, window } = this;
    const sequence = tokens.map(({ step }) => step);
    const values = [];
    const go = () => {
      if (run !== this.run) return;
      const end = performance.now() + 12;
      while (values.length < window[1] - window[0] && performance.now() < end) {
        values.push(difference(erased(network, sequence, judged, window[0] + values.length)));
      }
      if (values.length < window[1] - window[0]) setTimeout(go, 0);
      else this.showWords(values, "erasure");
    };
    this.showWords(tokens.slice(...window).map(() => 0), "computing");
    go();
  },

  showWords(values, account) {
    this.values = weighed(this.shown, values);
    this.exact = values;
    const said = ({ text, known }, { value, strength }) => `${text}: ${this.meaning(value, strength)}${known ? "" : `, ${say("unknown")}`}`;
    this.words.show(
      this.shown.map((word, i) => ({ ...word, strength: this.values[i].strength, said: said(word, this.values[i]) })),
    );
    const [count, shown] = [this.tokens.length, this.window[1] - this.window[0]];
    const more = shown < count ? ` ${say("last_shown", { shown, count })}` : "";
    const kept = this.kept ? `${say("legend_kept")} ` : "";
    const colours = `${say("legend", { claim: this.claim })} ${kept}`;
    byId("legend").textContent = `${colours}${say(account, { most: LONGEST_ERASURE })}${more}`;
    byId("explanation").dataset.account = account;
  },

  meaning(value, strength) {
    const side = Math.abs(strength) < WEAK ? "neutral" : strength > 0 ? "speaks_for" : "speaks_against";
    return `${written(value, 2, true)}, ${say(side, { label: this.label })}`;
  },

  addUp(values, { rest, initial, bias }, score) {
    const number = (value) => written(value, 2, true);
    const words = number(values.reduce((sum, x) => sum + x, 0));
    const part = (key, value) => (Math.abs(value) < 5e-3 ? "" : say(key, { value: number(value) }));
    byId("adds-up").textContent = say("adds_up", {
      ...{ words, rest: part("part_rest", rest), initial: part("part_initial", initial) },
      ...{ bias: part("part_bias", bias), score: number(score) },
    });
  },

  pointAt(at) {
    const kept = this.kept?.[at];
    this.words?.underline(kept ?? null, at);
    if (at < 0) {
      byId("panel").textContent = say("point");
      return;
    }
    const [word, { value, strength }] = [this.shown[at], this.values[at]];
    const facts = [say("gave", { word: word.text, value: this.meaning(value, strength) })];
    if (kept) {
      const later = kept.findIndex((share, i) => i > at && share < 0.5);
      if (later > 0) facts.push(say("gone", { count: later - at }));
      facts.push(say("left", { share: percent(kept.at(-1)) }));
    }
    if (!word.known) facts.push(say("unknown"));
    byId("panel").textContent = `${facts.join("; ")}.`;
  },
};
