// Texts to token numbers, exactly as the model reads them in Python.

const UNKNOWN = 1;
const LONGEST_WORD = 100000; // characters after which a word is cut
const BLANKS = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"; // Python's
const WORD = new RegExp(`[^${BLANKS}]+`, "gu");
const LINE = /[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|$)/gu; // Python's splitlines
const BLANK = new RegExp(`^[${BLANKS}]*$`, "u");

/** The characters of a class as the inside of brackets; numbers are differences, see tokens.py. */
function charactersOf(numbers) {
  const hex = (code) => `\\u{${code.toString(16)}}`;
  let [text, last] = ["", 0];
  for (let i = 0; i < numbers.length; i += 2) {
    const first = last + numbers[i];
    last = first + numbers[i + 1];
    text += first === last ? hex(first) : `${hex(first)}-${hex(last)}`;
  }
  return text;
}

/** A text as Python takes it: � for halves of characters, one for each of the three bytes that would spell one. */
function valid(text) {
  text = text.replace(/[\ud800-\udfff]/gu, "\ufffd\ufffd\ufffd");
  if (text.length <= LONGEST_WORD || [...text].length <= LONGEST_WORD) return text;
  return text.replace(new RegExp(`[^${BLANKS}]{${LONGEST_WORD}}(?=[^${BLANKS}])`, "gu"), "$& ");
}

/** The characters by which byte-level tokens spell bytes: those that can be seen are themselves. */
function byteCharacters() {
  const seen = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(seen(byte) ? byte : next++));
}

class Tokenizer {
  constructor(description) {
    this.tokens = description.tokens;
    this.ids = new Map(this.tokens.map((token, id) => [token, id]));
    this.unknown = this.ids.get(description.unknown);
    this.normal = description.normal;
    const classes = Object.entries(description.classes).map(([name, numbers]) => [name, charactersOf(numbers)]);
    const characters = new Map(classes);
    this.splits = description.splits.map(([kind, pattern]) => {
      if (pattern === undefined) return { kind };
      const source = pattern.replace(/<(\w+)>/g, (_, name) => characters.get(name));
      return { kind, expression: new RegExp(source, "gu") };
    });
    this.merges = null;
    if (description.merges) {
      const key = (left, right) => left * this.tokens.length + right;
      this.merges = new Map(description.merges.map(([left, right, whole], rank) => [key(left, right), { rank, whole }]));
    }
    this.fallback = description.bytes;
    this.bytes = byteCharacters();
    this.cache = new Map();
  }

  normalised(text) {
    for (const [kind, characters, content] of this.normal) {
      if (kind === "NFC") text = text.normalize("NFC");
      // Letter by letter: a capital sigma becomes σ at the end of a word too.
      else if (kind === "Lowercase") text = Array.from(text, (character) => character.toLowerCase()).join("");
      else text = text.replace(new RegExp(`[${characters}]`, "gu"), content);
    }
    return text;
  }

  /** The pieces that no token crosses. */
  pieces(text) {
    let pieces = [text];
    for (const { kind, expression } of this.splits) {
      if (kind === "Words") pieces = pieces.flatMap((piece) => piece.match(WORD) ?? []);
      else if (kind === "Removed") pieces = pieces.flatMap((piece) => piece.match(expression) ?? []);
      else if (kind === "Isolated") pieces = pieces.flatMap((piece) => isolated(piece, expression));
      else if (kind === "Metaspace") pieces = pieces.map((piece) => (piece.startsWith("▁") ? piece : `▁${piece}`));
      else {
        // Byte-level pieces, which never go over the end of a line.
        pieces = pieces.flatMap((piece) => piece.match(LINE)).flatMap((line) => isolated(line, expression));
        pieces = pieces.map((piece) => this.spelled(piece));
      }
    }
    return pieces;
  }

  spelled(piece) {
    return Array.from(new TextEncoder().encode(piece), (byte) => this.bytes[byte]).join("");
  }

  /** The tokens of a text, in order: the number of each, and what it was in the text. */
  read(text) {
    const read = this.pieces(this.normalised(valid(text))).flatMap((piece) => this.ofPiece(piece));
    if (!read.length && !BLANK.test(text)) return [{ id: UNKNOWN, piece: text }];
    return read;
  }

  ofPiece(piece) {
    if (!this.merges) return [{ id: this.ids.get(piece) || this.unknown, piece }];
    if (!this.cache.has(piece)) {
      if (this.cache.size > 10000) this.cache.clear();
      const ids = this.merged(this.parts(piece));
      this.cache.set(piece, ids.map((id) => ({ id: id || UNKNOWN, piece: this.tokens[id] })));
    }
    return this.cache.get(piece);
  }

  /** A piece's characters, those that are unknown in bytes. */
  parts(piece) {
    return Array.from(piece).flatMap((character) => {
      const id = this.ids.get(character);
      if (id !== undefined) return [id];
      if (!this.fallback) return this.unknown === undefined ? [] : [this.unknown];
      const name = (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
      return Array.from(new TextEncoder().encode(character), (byte) => this.ids.get(name(byte)));
    });
  }

  /** Joins neighbours as byte-pair encoding does: those of the earliest rule first, of equal ones the leftmost. */
  merged(ids) {
    ids = [...ids];
    for (;;) {
      let [best, at] = [null, -1];
      for (let i = 0; i + 1 < ids.length; i++) {
        const merge = this.merges.get(ids[i] * this.tokens.length + ids[i + 1]);
        if (merge && (best === null || merge.rank < best.rank)) [best, at] = [merge, i];
      }
      if (best === null) return ids;
      ids.splice(at, 2, best.whole);
    }
  }
}

/** A text in pieces: what the expression finds, and what is between. */
function isolated(text, expression) {
  const pieces = [];
  let end = 0;
  for (const found of text.matchAll(expression)) {
    if (found.index > end) pieces.push(text.slice(end, found.index));
    pieces.push(found[0]);
    end = found.index + found[0].length;
  }
  if (end < text.length) pieces.push(text.slice(end));
  return pieces;
}
