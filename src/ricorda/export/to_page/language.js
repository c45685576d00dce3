// The page of a language model: it writes on, token by token, and shows what it expects next.

const [UNKNOWN_TOKEN, END] = [0, 1]; // of a vocabulary that gives the text back
const LIKELIEST = 8; // tokens of which the probability is shown
const PER_FRAME = 4; // tokens that are written between two pictures at most

/** Numbers from 0 to below 1 that a seed decides (mulberry32). */
function randomNumbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Reads token by token; after each it knows the scores of what comes next. */
class Stream {
  constructor(network) {
    this.network = network;
    this.states = network.layers.levels.map(([layer]) => beginning(layer));
  }

  read(id) {
    const { layers, inputs, embedding, between, head } = this.network;
    let vector = row(embedding, id);
    layers.levels.forEach(([layer], level) => {
      const done = step(layer, { [inputs[0]]: vector }, this.states[level]);
      this.states[level] = done.after;
      vector = done.output;
    });
    this.scores = linear(head, between ? linear(between, vector) : vector);
  }
}

/** Turns tokens into text as they come. */
class Writer {
  constructor({ unit }, tokenizer, atLineStart) {
    Object.assign(this, { unit, tokenizer, atLineStart, waiting: [] });
    this.byteOf = new Map(tokenizer.bytes.map((character, byte) => [character, byte]));
  }

  write(id) {
    const token = this.tokenizer.tokens[id];
    if (this.unit === "char") return token;
    if (this.unit === "bpe") {
      this.waiting.push(token);
      const spelled = this.waiting.join("");
      const bytes = Uint8Array.from(spelled, (character) => this.byteOf.get(character));
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      // Bytes of a character are still missing, unless they spell U+FFFD itself.
      if (text.endsWith("\ufffd") && this.waiting.length < 4 && !spelled.endsWith("\u00ef\u00bf\u00bd")) return "";
      this.waiting = [];
      return text;
    }
    const space = this.atLineStart || id === END ? "" : " ";
    this.atLineStart = id === END;
    return id === END ? "\n" : space + token;
  }
}

/** A list of tokens, which is typed with spaces between. */
function piecesOfList(text, tokenizer) {
  return text.split(/\s+/u).filter(Boolean).map((piece) => ({ id: tokenizer.ids.get(piece) ?? UNKNOWN_TOKEN, piece }));
}

/** Draws a token by the scores; a temperature of 0 takes the most probable. */
function drawn(scores, temperature, random) {
  if (temperature === 0) return best(scores);
  const shares = softmax(Array.from(scores, (score) => score / temperature));
  let left = random();
  const id = shares.findIndex((share) => (left -= share) < 0);
  return id < 0 ? best(scores) : id; // Shares may add up to a little less than 1.
}

const view = {
  start(network) {
    this.network = network;
    this.tokenizer = new Tokenizer(network.tokenizer);
    const look = atNextFrame(() => this.render());
    byId("text").addEventListener("input", look);
    byId("temperature").addEventListener("input", () => this.showDegree());
    byId("write").addEventListener("click", () => this.begin());
    byId("stop").addEventListener("click", () => this.stop());
  },

  showDegree() {
    byId("degree").textContent = written(Number(byId("temperature").value));
  },

  /** The tokens that generation begins with; what the training never had is refused. */
  opening() {
    const { network, tokenizer } = this;
    const prompt = byId("text").value;
    const lines = network.kind === "stream" && network.unit === "word";
    const text = lines ? prompt.replaceAll("\n", ` ${tokenizer.tokens[END]} `) : prompt;
    const tokens = network.unit === "tokens" ? piecesOfList(text, tokenizer) : text ? tokenizer.read(text) : [];
    const strange = tokens.find(({ id, piece }) => id === UNKNOWN_TOKEN && piece !== tokenizer.tokens[0]);
    if (strange && !network.knows_unknown) throw new RangeError(say("strange", { token: strange.piece }));
    const before = network.before === null ? [] : [network.before];
    const ids = [...before, ...tokens.map(({ id }) => id)];
    if (!ids.length) throw new RangeError(say("no_opening"));
    return ids;
  },

  /** A stream that has read the opening, or null, with what is wrong beside the field. */
  opened() {
    byId("trouble").textContent = "";
    try {
      const stream = new Stream(this.network);
      for (const id of this.opening()) stream.read(id);
      return stream;
    } catch (trouble) {
      if (!(trouble instanceof RangeError)) throw trouble;
      byId("trouble").textContent = trouble.message;
      return null;
    }
  },

  render() {
    this.showDegree();
    if (this.running) return;
    const stream = this.opened();
    byId("write").disabled = !stream;
    if (stream) this.showNext(stream.scores);
    else byId("bars").replaceChildren();
  },

  /** The likeliest tokens, whatever the temperature. */
  showNext(scores) {
    const shares = softmax(scores);
    const order = shares.map((_, id) => id).sort((a, b) => shares[b] - shares[a]).slice(0, LIKELIEST);
    const bars = order.map((id, place) => {
      const fill = element("span", "", { class: "fill", "aria-hidden": "true" });
      fill.style.setProperty("--share", shares[id]);
      const bar = element("li", "", place ? {} : { class: "most" });
      bar.append(element("span", this.named(id), { class: "name" }), fill, element("span", percent(shares[id]), { class: "number" }));
      return bar;
    });
    byId("bars").replaceChildren(...bars);
  },

  /** A token for people to read: blanks have names. */
  named(id) {
    if (id === END) return say("end");
    if (id === UNKNOWN_TOKEN) return say("other");
    const text = new Writer(this.network, this.tokenizer, true).write(id) || this.tokenizer.tokens[id];
    if (text === "\n") return say("line_end");
    return text.replaceAll(" ", "␣").replaceAll("\n", "⏎");
  },

  begin() {
    const stream = this.opened();
    if (!stream) return;
    const { network, tokenizer } = this;
    const prompt = byId("text").value;
    const ends = network.ends || network.unit === "word";
    const writer = new Writer(network, tokenizer, !prompt || /\s$/u.test(prompt));
    const random = randomNumbers(Number(byId("seed").value) >>> 0);
    const temperature = Number(byId("temperature").value);
    const text = element("span");
    byId("written").replaceChildren(element("span", prompt, { class: "given" }), text);
    byId("stop").disabled = false;
    byId("write").disabled = true;
    byId("stop").focus();
    const run = (this.running = { left: Math.max(1, Number(byId("length").value) || 1) });
    const go = () => {
      if (run !== this.running) return;
      const end = performance.now() + 8;
      for (let n = 0; n < PER_FRAME && run.left && performance.now() < end; n++, run.left--) {
        stream.scores[UNKNOWN_TOKEN] = -Infinity;
        if (!ends) stream.scores[END] = -Infinity;
        const id = drawn(stream.scores, temperature, random);
        if (id === END && network.ends) {
          run.left = 0;
          break;
        }
        text.append(writer.write(id));
        stream.read(id);
      }
      this.showNext(stream.scores);
      byId("written").scrollTop = byId("written").scrollHeight;
      if (run.left) requestAnimationFrame(go);
      else this.stop();
    };
    go();
  },

  stop() {
    this.running = null;
    byId("write").disabled = false;
    if (document.activeElement === byId("stop")) byId("write").focus();
    byId("stop").disabled = true;
    saySlowly(byId("written").textContent);
  },
};
