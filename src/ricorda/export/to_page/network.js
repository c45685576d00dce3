// From token numbers or numbers to what the model says: embedding, recurrent layers, pooling, heads, the wide part.

const softmax = (scores) => {
  const top = Math.max(...scores);
  const weights = Array.from(scores, (score) => Math.exp(score - top));
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / whole);
};

const logSumExp = (scores) => {
  const top = Math.max(...scores);
  return top + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - top), 0));
};

const best = (scores) => scores.reduce((most, score, i) => (score > scores[most] ? i : most), 0);

const row = ({ values, shape }, number) => values.subarray(number * shape[1], (number + 1) * shape[1]);

/** What the recurrent layers read at each step, by the names of their inputs. */
function entering(network, sequence) {
  const [name] = network.inputs;
  if (network.embedding) return sequence.map((id) => ({ [name]: row(network.embedding, id) }));
  const { mean, scale } = network;
  const { mask, gap, column } = network.beside;
  const others = (numbers) => Float64Array.from(numbers).filter((_, i) => i !== column);
  return sequence.map((numbers) => {
    const read = { [name]: others(numbers.map((x, i) => (Number.isNaN(x) ? 0 : (x - mean.values[i]) / scale.values[i]))) };
    if (mask) read.mask = others(numbers.map((x) => Number(!Number.isNaN(x))));
    if (gap) {
      const unit = column === null ? 1 : mean.values[column];
      read.gap = Float64Array.of(column === null ? 1 : numbers[column] / (unit > 0 ? unit : 1));
    }
    return read;
  });
}

/** How the pooling weighs each direction's outputs: functions from a step to a number, a weight for each unit, or null. */
function weighings({ pooling, layers }, outputs) {
  const [T, directions] = [outputs.length, layers.levels.at(-1).length];
  const H = outputs[0].length / directions;
  const all = Array.from({ length: directions });
  if (pooling.kind === "mean") return all.map(() => () => Float64Array.of(1 / T));
  if (pooling.kind === "attention") {
    const shares = softmax(
      outputs.map((y) => {
        const hidden = linear(pooling.hidden, y).map(Math.tanh);
        return hidden.reduce((sum, x, u) => sum + x * pooling.query.values[u], 0);
      }),
    );
    return all.map(() => (t) => Float64Array.of(shares[t]));
  }
  return all.map((_, direction) => {
    const units = Array.from({ length: H }, (_, u) => direction * H + u);
    // The second direction ends where the text begins.
    const last = direction ? 0 : T - 1;
    const winners = units.map((u) => (pooling.kind === "last" ? last : best(outputs.map((y) => y[u]))));
    const steps = new Set(winners);
    return (t) => (steps.has(t) ? Float64Array.from(winners, (winner) => Number(winner === t)) : null);
  });
}

/** One vector from all outputs. */
function pooled(outputs, weights) {
  const H = outputs[0].length / weights.length;
  const result = new Float64Array(outputs[0].length);
  outputs.forEach((y, t) => {
    weights.forEach((weigh, direction) => {
      const own = weigh(t);
      if (!own) return;
      for (let u = 0; u < H; u++) result[direction * H + u] += y[direction * H + u] * own[own.length > 1 ? u : 0];
    });
  });
  return result;
}

/** What each token gives to each score through the wide part, [T][C]: known tokens and pairs of neighbours. */
function wideShares({ wide, embedding }, ids) {
  const C = wide.bias.values.length;
  const vocabulary = embedding.shape[0];
  const key = (place) => wide.keys.values[2 * place] * vocabulary + wide.keys.values[2 * place + 1];
  wide.places ??= new Map(Array.from({ length: wide.keys.shape[0] }, (_, place) => [key(place), place]));
  const grams = ids.flatMap((id, t) => [
    { place: wide.places.get(id * vocabulary), at: [t] },
    { place: t + 1 < ids.length ? wide.places.get(id * vocabulary + ids[t + 1]) : undefined, at: [t, t + 1] },
  ]);
  const times = new Map();
  for (const { place } of grams) if (place !== undefined) times.set(place, (times.get(place) ?? 0) + 1);
  const shares = ids.map(() => new Float64Array(C));
  for (const { place, at } of grams) {
    if (place === undefined) continue;
    const count = times.get(place) * Math.sqrt(times.size) * at.length;
    for (const t of at) row(wide.weights, place).forEach((score, c) => (shares[t][c] += score / count));
  }
  return shares;
}

/** The scores of the classes, and all that an explanation needs. */
function judge(network, sequence, zeros = false) {
  const inputs = entering(network, sequence);
  if (zeros) for (const input of inputs) input[network.inputs[0]] = input[network.inputs[0]].map(() => 0);
  const { outputs, read } = readThrough(network.layers, inputs);
  const weights = weighings(network, outputs);
  const scores = linear(network.head, pooled(outputs, weights));
  const wide = network.wide && !zeros ? wideShares(network, sequence) : null;
  if (wide) for (const share of wide) share.forEach((score, c) => (scores[c] += score));
  if (network.wide) network.wide.bias.values.forEach((score, c) => (scores[c] += score));
  return { scores, probabilities: softmax(scores), outputs, read, weights, wide };
}

/**
 * What each step of a window gave to each score, [W][C], with the shares of all other steps, of the initial state and
 * of the head's bias, [C] each: together they are the scores. Only for one layer whose output shows an additive state.
 */
function shares(network, judged, [start, stop], followed) {
  const { head, wide, layers } = network;
  const C = head.matrix.shape[0];
  const H = head.matrix.shape[1] / layers.levels.at(-1).length;
  const through = (vector, direction) =>
    Float64Array.from({ length: C }, (_, c) =>
      vector.reduce((sum, x, u) => sum + x * row(head.matrix, c)[direction * H + u], 0),
    );
  const sum = (name, w) =>
    followed
      .map((side, direction) => through(w === undefined ? side[name] : side[name][w], direction))
      .reduce((one, other) => apply("add", C, one, other));
  const own = Array.from({ length: stop - start }, (_, w) => sum("shown", w));
  let [rest, initial, bias] = [sum("rest"), sum("initial"), Float64Array.from(head.bias.values)];
  if (wide) {
    bias = apply("add", C, bias, wide.bias.values);
    judged.wide.forEach((share, t) => {
      if (t >= start && t < stop) own[t - start] = apply("add", C, own[t - start], share);
      else rest = apply("add", C, rest, share);
    });
  }
  return { own, rest, initial, bias };
}

/** How much lower the scores are without a step, [C]; a step that is alone is replaced by zeros. */
function erased(network, sequence, judged, t) {
  const alone = sequence.length === 1;
  const without = judge(network, alone ? sequence : sequence.filter((_, i) => i !== t), alone);
  return apply("subtract", without.scores.length, judged.scores, without.scores);
}
