// Words as they stand in a line, coloured by a number each, and what is left of one at the others.

const [WEAK, MEDIUM, STRONG] = [0.1, 1 / 3, 2 / 3]; // shares of the strongest word's number for one, two, three signs

/** Bytes that spell characters become them, and a space becomes visible. */
function spelled(text) {
  const characters = text.replace(/(?:<0x[0-9A-F]{2}>)+/g, (bytes) => {
    const codes = bytes.match(/[0-9A-F]{2}(?=>)/g).map((code) => parseInt(code, 16));
    return new TextDecoder().decode(Uint8Array.from(codes));
  });
  return characters.trim() || "·";
}

/** The words of tokens: a range for each. Parts of words begin one where they have ▁, characters behind a space. */
function wordsOf(tokens, { parts, characters }) {
  const opens = (text, i) => i === 0 || (parts ? text.startsWith("▁") : !characters || /^\s/u.test(text));
  const words = [];
  tokens.forEach(({ piece, known }, i) => {
    if (opens(piece, i)) words.push({ text: "", first: i, stop: i, known: true });
    const word = words.at(-1);
    word.text += parts ? piece.replaceAll("▁", " ") : piece;
    word.stop = i + 1;
    word.known &&= known;
  });
  for (const word of words) word.text = spelled(word.text);
  return words;
}

/** The words' own numbers: sums over their tokens, and each as a share of the strongest. */
function weighed(words, values) {
  const sums = words.map(({ first, stop }) => values.slice(first, stop).reduce((sum, x) => sum + x, 0));
  const most = Math.max(...sums.map(Math.abs)) || 1;
  return sums.map((value) => ({ value, strength: value / most }));
}

/** The share of each word that every other one still holds, [words][words]; see keptShares. */
function keptOfWords(words, kept) {
  return words.map(({ first, stop }, w) => {
    const rows = kept.slice(first, stop);
    const mean = (column) => rows.reduce((sum, shares) => sum + shares[column], 0) / rows.length;
    return words.map((other, v) => Math.min(Math.max(mean(v >= w ? other.stop - 1 : other.first), 0), 1));
  });
}

/** The signs of a word. */
function signs(strength) {
  const count = [WEAK, MEDIUM, STRONG].filter((limit) => Math.abs(strength) >= limit).length;
  return (strength > 0 ? "+" : "−").repeat(count);
}

/** A row of words that the arrow keys go through; `point(i)` is called for the one that is pointed at, -1 for none. */
class WordRow {
  constructor(box, point) {
    this.box = box;
    this.point = point;
    this.buttons = [];
    box.addEventListener("keydown", (event) => this.move(event));
    box.addEventListener("pointerover", (event) => this.over(event.target.closest("button")));
    box.addEventListener("pointerleave", () => this.over(this.buttons.find((button) => button === document.activeElement)));
    box.addEventListener("focusin", (event) => this.over(event.target));
    box.addEventListener("focusout", () => this.over(undefined));
  }

  /** Shows words: text, known, and where there are numbers strength and said, what a screen reader says. */
  show(words) {
    const before = this.buttons.indexOf(document.activeElement);
    this.buttons = words.map(({ text, known, strength = 0, said }, i) => {
      const button = element("button", "", { type: "button", "aria-label": said ?? text });
      button.append(element("span", text, { class: "text" }));
      button.className = `word ${strength > 0 ? "for" : "against"}${known ? "" : " unknown"}`;
      button.style.setProperty("--strength", Math.abs(strength).toFixed(3));
      button.tabIndex = i === Math.max(before, 0) ? 0 : -1;
      if (signs(strength)) button.append(element("sup", signs(strength), { "aria-hidden": "true" }));
      return button;
    });
    this.box.replaceChildren(...this.buttons);
    this.point(-1);
  }

  /** Underlines the words by shares; null for none. */
  underline(shares, except) {
    this.buttons.forEach((button, i) => {
      const share = shares && i !== except ? shares[i] : 0;
      button.style.setProperty("--kept", share.toFixed(3));
      button.classList.toggle("holds", share >= 0.005);
      button.classList.toggle("pointed", Boolean(shares) && i === except);
    });
  }

  over(button) {
    if (button !== null) this.point(button === undefined ? -1 : this.buttons.indexOf(button));
  }

  move(event) {
    const at = this.buttons.indexOf(document.activeElement);
    const last = this.buttons.length - 1;
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    this.buttons.forEach((button) => (button.tabIndex = -1));
    const next = this.buttons[Math.min(Math.max(to, 0), last)];
    next.tabIndex = 0;
    next.focus();
  }
}
