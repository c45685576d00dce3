// Numbers that were pasted.

/** The steps of pasted numbers: a line each, numbers apart by blanks, commas or semicolons; "" or nan is missing. */
function readNumbers(text, features, { mask = false, column = null } = {}) {
  return text.split("\n").flatMap((line, i) => {
    if (!line.trim()) return [];
    const trimmed = line.trim();
    const fields = /[,;\t]/.test(trimmed) ? trimmed.split(/\s*[,;\t]\s*/) : trimmed.split(/\s+/);
    const numbers = fields.map((field) => {
      const number = field === "" || /^nan$/i.test(field) ? NaN : Number(field);
      if (!Number.isFinite(number) && !(mask && (field === "" || /^nan$/i.test(field)))) {
        throw new RangeError(say("bad_number", { line: i + 1, text: field }));
      }
      return number;
    });
    if (numbers.length !== features) {
      throw new RangeError(say("bad_count", { line: i + 1, count: numbers.length, features }));
    }
    if (column !== null && !(numbers[column] >= 0)) {
      throw new RangeError(say("bad_time", { line: i + 1, column: column + 1 }));
    }
    return [numbers];
  });
}
