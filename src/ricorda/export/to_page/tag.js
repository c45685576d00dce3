// The page of a tagger: sentences, and each word with its tag.

const LIKELY = 4; // tags that are told of a word

/** The steps of a sentence as they enter the recurrent layers: words, and what their characters leave. */
function enteringWords(network, words, vocabulary, letters) {
  const [name] = network.inputs;
  return words.map((word) => {
    const folded = network.lowercase ? word.toLowerCase() : word;
    const id = vocabulary.ids.get(folded) || UNKNOWN;
    const own = row(network.embedding, id);
    if (!letters) return { id, [name]: own };
    letters.read.has(word) || letters.read.set(word, spelling(network.spelling, letters.tokenizer, word));
    return { id, [name]: Float64Array.from([...own, ...letters.read.get(word)]) };
  });
}

/** The last states of both directions over a word's characters. */
function spelling({ embedding, layers, inputs, longest }, tokenizer, word) {
  let ids = tokenizer.read(word).map(({ id }) => id);
  if (ids.length > longest) ids = [...ids.slice(0, longest / 2), ...ids.slice(-longest / 2)];
  if (!ids.length) ids = [UNKNOWN];
  const { outputs } = readThrough(layers, ids.map((id) => ({ [inputs[0]]: row(embedding, id) })));
  const H = outputs[0].length / 2;
  return [...outputs.at(-1).slice(0, H), ...outputs[0].slice(H)];
}

/** The best sequence of tags, by Viterbi's algorithm. */
function decoded({ transitions, first, last }, scores) {
  let reached = scores[0].map((score, k) => first.values[k] + score);
  const from = scores.slice(1).map((own) => {
    const before = own.map((_, k) => best(Array.from(reached, (score, j) => score + row(transitions, j)[k])));
    reached = own.map((score, k) => reached[before[k]] + row(transitions, before[k])[k] + score);
    return before;
  });
  const tags = [best(Array.from(reached, (score, k) => score + last.values[k]))];
  for (const before of from.reverse()) tags.push(before[tags.at(-1)]);
  return tags.reverse();
}

/** The probability of each tag at each step, by the algorithm that goes forward and back. */
function marginals({ transitions, first, last }, scores) {
  const forward = [scores[0].map((score, k) => first.values[k] + score)];
  for (const own of scores.slice(1)) {
    const before = forward.at(-1);
    forward.push(own.map((score, k) => score + logSumExp(Array.from(before, (sum, j) => sum + row(transitions, j)[k]))));
  }
  const back = [Float64Array.from(last.values)];
  for (const own of scores.slice(1).reverse()) {
    const after = back[0];
    back.unshift(own.map((_, j) => logSumExp(Array.from(after, (sum, k) => sum + own[k] + row(transitions, j)[k]))));
  }
  return forward.map((sums, t) => softmax(Array.from(sums, (sum, k) => sum + back[t][k])));
}

const view = {
  start(network) {
    this.network = network;
    this.vocabulary = new Tokenizer(network.tokenizer);
    this.letters = network.spelling && { tokenizer: new Tokenizer(network.spelling.tokenizer), read: new Map() };
    this.rows = [];
    byId("text").addEventListener("input", atNextFrame(() => this.render()));
  },

  /** The tags of a sentence's words, and the probabilities of all. */
  tag(words) {
    const { network } = this;
    const steps = enteringWords(network, words, this.vocabulary, this.letters);
    const scores = readThrough(network.layers, steps).outputs.map((y) => linear(network.head, y));
    const probabilities = network.chain ? marginals(network.chain, scores) : scores.map(softmax);
    const tags = network.chain ? decoded(network.chain, scores) : scores.map((score) => best(score));
    return { words, tags, probabilities, known: steps.map(({ id }) => id !== UNKNOWN) };
  },

  render() {
    const { labels } = this.network;
    const sentences = byId("text").value.split(/[\r\n]+/).map((line) => line.match(/[^ \t]+/g)).filter(Boolean);
    this.read = sentences.map((words) => this.tag(words));
    byId("empty").hidden = sentences.length > 0;
    byId("panel").hidden = !sentences.length;
    const boxes = this.read.map(() => element("div", "", { class: "words tagged", role: "group", "aria-label": say("tags") }));
    byId("words").replaceChildren(...boxes);
    this.rows = this.read.map((sentence, s) => {
      const shown = new WordRow(boxes[s], (at) => this.pointAt(sentence, at));
      const tagged = sentence.words.map((text, t) => {
        const tag = labels[sentence.tags[t]];
        return { text, known: sentence.known[t], said: `${text}: ${tag}, ${percent(sentence.probabilities[t][sentence.tags[t]])}` };
      });
      shown.show(tagged);
      shown.buttons.forEach((button, t) => {
        const tag = element("span", labels[sentence.tags[t]], { class: "tag", "aria-hidden": "true" });
        const sure = sentence.probabilities[t][sentence.tags[t]];
        tag.style.setProperty("--share", sure);
        if (sure < 0.5) tag.textContent += " ?";
        button.append(tag);
      });
      return shown;
    });
    const { words = [], tags = [] } = this.read[0] ?? {};
    saySlowly(words.map((word, t) => `${word}: ${labels[tags[t]]}`).join(", "));
  },

  pointAt({ words, probabilities, known }, at) {
    if (at < 0) {
      byId("panel").textContent = say("point_tag");
      return;
    }
    const { labels } = this.network;
    const order = labels.map((_, k) => k).sort((j, k) => probabilities[at][k] - probabilities[at][j]);
    const likely = order.slice(0, LIKELY).map((k) => `${labels[k]} ${percent(probabilities[at][k])}`);
    const more = known[at] ? "" : `; ${say("unknown")}`;
    byId("panel").textContent = `${say("gave", { word: words[at], value: likely.join(", ") })}${more}.`;
  },
};
