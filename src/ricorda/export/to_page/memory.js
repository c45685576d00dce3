// What each step wrote into the memory of a layer, what later steps keep of it, and what it gave to the outputs.
//
// A state is additive if its new value is keep * old + written, unit by unit, with the gates taken as numbers. Then it
// is exactly a sum of what the steps wrote, times what later steps kept; see docs/memory.md.

const [INITIAL, BEFORE, WINDOW] = [0, 1, 2]; // rows: the initial state, steps before the window, then its steps

/** Writes a line that is additive in a state as keep * state + written. */
function keepAndWritten(layer, memory, values, place, index) {
  const additive = memory.additive[place];
  const size = layer.lines[memory.first + Number(place)].size;
  const none = Float64Array.of(0);
  const take = (line) => {
    const { op, args } = layer.lines[line];
    if (!additive.has(line)) return [none, values[line]];
    if (op === "state") return [Float64Array.of(1), none];
    const parts = args.map(take);
    return [0, 1].map((kind) => {
      const own = (part, i) => (memory.sums.has(op) || additive.has(args[i]) ? part[kind] : values[args[i]]);
      return apply(op, size, ...parts.map(own));
    });
  };
  return take(index).map((share) => (share.length === size ? share : new Float64Array(size).fill(share[0])));
}

/** The output of a step divided among the steps that wrote what it shows: a vector for each row up to `own`. */
function divided(layer, memory, values, leaves, parts, own) {
  const sums = {};
  for (const place of memory.places) {
    const size = layer.lines[memory.first + place].size;
    sums[place] = [new Float64Array(size)];
    for (let row = 0; row <= own; row++) sums[place].push(apply("add", size, sums[place][row], parts[place][row]));
  }
  const done = new Map();
  const take = (line) => {
    if (!done.has(line)) done.set(line, compute(line));
    return done.get(line);
  };
  const compute = (line) => {
    const { op, args, size } = layer.lines[line];
    if (leaves.has(line)) {
      const { place, keep, written } = leaves.get(line);
      const rows = sums[place].map((sum) => apply("multiply", size, keep, sum));
      rows[own + 1] = apply("add", size, rows[own + 1], written);
      return rows;
    }
    if (!memory.moving.has(line)) return values[line];
    const taken = args.map(take);
    return sums[memory.places[0]].map((_, row) =>
      apply(op, size, ...taken.map((part) => (Array.isArray(part) ? part[row] : part))),
    );
  };
  const shown = take(layer.result);
  const rows = shown.slice(1).map((row, i) => apply("subtract", row.length, row, shown[i]));
  rows[own] = apply("add", rows[own].length, rows[own], shown[0]); // What is shown even of nothing is the step's own.
  return rows;
}

const norm = (vector) => Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));

/**
 * Follows what the steps of a window write.
 *
 * @param steps the values of all steps, in the order in which this direction reads
 * @param window first step, and the step after the last, in that order
 * @param weigh from a step to the weights of the output's units in a sum, or null where they are zero
 * @returns written [W], held [W][W], and shown [W][H], rest [H], initial [H] of the weighted sum
 */
function follow(layer, memory, steps, [start, stop], weigh) {
  const W = stop - start;
  const rows = (size) => Array.from({ length: W + 3 }, () => new Float64Array(size));
  const parts = {};
  for (const place of memory.places) {
    const initial = steps[0][memory.first + place];
    parts[place] = rows(initial.length);
    parts[place][INITIAL].set(initial);
  }
  const size = layer.lines[layer.result].size;
  const pooled = rows(size);
  const written = new Float64Array(W);
  const held = Array.from({ length: W }, () => new Float64Array(W));
  steps.forEach((values, t) => {
    const own = t < start ? BEFORE : WINDOW + Math.min(t - start, W);
    const weights = weigh ? weigh(t) : null;
    if (weights) {
      const leaves = new Map();
      for (const [line, place] of memory.leaves) {
        const [keep, added] = keepAndWritten(layer, memory, values, place, line);
        leaves.set(line, { place, keep, written: added });
      }
      divided(layer, memory, values, leaves, parts, own).forEach((share, row) => {
        for (let u = 0; u < size; u++) pooled[row][u] += share[u] * weights[weights.length > 1 ? u : 0];
      });
    }
    for (const place of memory.places) {
      const [keep, added] = keepAndWritten(layer, memory, values, place, layer.outputs[place]);
      for (let row = 0; row <= own; row++) parts[place][row].forEach((x, u) => (parts[place][row][u] = x * keep[u]));
      added.forEach((x, u) => (parts[place][own][u] += x));
      if (place === memory.places[0] && t >= start && t < stop) {
        written[t - start] = norm(added);
        for (let w = 0; w <= t - start; w++) held[w][t - start] = norm(parts[place][WINDOW + w]);
      }
    }
  });
  const rest = apply("add", size, pooled[BEFORE], pooled[W + 2]);
  return { written, held, shown: pooled.slice(WINDOW, -1), rest, initial: pooled[INITIAL] };
}

/** Follows both directions of the last layer; rows are in the order of the text. */
function followAll({ levels, memory }, read, [start, stop], weighings) {
  const T = read.at(-1)[0].length;
  return levels.at(-1).map((layer, direction) => {
    const weigh = weighings && ((t) => weighings[direction](direction ? T - 1 - t : t));
    const window = direction ? [T - stop, T - start] : [start, stop];
    const followed = follow(layer, memory, read.at(-1)[direction], window, weigh);
    if (direction) {
      followed.written.reverse();
      followed.shown.reverse();
      followed.held = followed.held.reverse().map((row) => row.reverse());
    }
    return followed;
  });
}

/**
 * The share of what step w wrote that is still there after step v, [W][W]: above the diagonal that of the first
 * direction, below it that of the second, which reads from the end.
 */
function keptShares(followed) {
  const share = ({ written, held }, w, v) => held[w][v] / (written[w] || 1);
  return followed[0].held.map((row, w) =>
    Array.from(row, (_, v) => (v >= w ? share(followed[0], w, v) : followed[1] ? share(followed[1], w, v) : 0)),
  );
}
