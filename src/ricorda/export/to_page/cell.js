// Runs the equations of a cell, line by line, and keeps the values of all lines.

const SMALLEST_DIVISOR = 1e-30;

/** The operations on the numbers of one unit. */
const POINTWISE = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  negative: (a) => -a,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  tanh: Math.tanh,
  relu: (a) => Math.max(a, 0),
  softplus: (a) => (a > 40 ? a : Math.log1p(Math.exp(a))),
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  sin: Math.sin,
  cos: Math.cos,
  abs: Math.abs,
  sign: Math.sign,
  hard_sigmoid: (a) => Math.min(Math.max(a + 3, 0), 6) / 6,
  maximum: Math.max,
  minimum: Math.min,
  pow: Math.pow,
  remainder: (a, b) => a - b * Math.floor(a / b),
  safe_divide: (a, b) => (Math.abs(b) < SMALLEST_DIVISOR ? 0 : a / b),
  safe_sqrt: (a) => Math.sqrt(a),
  greater: (a, b) => Number(a > b),
  greater_equal: (a, b) => Number(a >= b),
  where: (condition, a, b) => (condition !== 0 ? a : b),
  positive: (a) => Number(a > 0),
  share: (a, b) => 0.5 * Math.sign(a - b) + 0.5,
  expand: (a) => a,
};

/** The operations that make one number of all units. */
const REDUCTIONS = {
  sum: (a) => a.reduce((sum, x) => sum + x, 0),
  mean: (a) => REDUCTIONS.sum(a) / a.length,
  largest: (a) => a.reduce((most, x) => Math.max(most, x), -Infinity),
  variance: (a) => {
    const mean = REDUCTIONS.mean(a);
    return a.reduce((sum, x) => sum + (x - mean) ** 2, 0) / a.length;
  },
};

/** An operation on vectors of a size; those of one number go with every size. */
function apply(op, size, a, b, c) {
  const result = new Float64Array(size);
  if (REDUCTIONS[op]) return result.fill(REDUCTIONS[op](a));
  const compute = POINTWISE[op];
  const [i, j, k] = [a, b, c].map((vector) => (vector && vector.length > 1 ? 1 : 0));
  if (c) for (let u = 0; u < size; u++) result[u] = compute(a[u * i], b[u * j], c[u * k]);
  else if (b) for (let u = 0; u < size; u++) result[u] = compute(a[u * i], b[u * j]);
  else for (let u = 0; u < size; u++) result[u] = compute(a[u * i]);
  return result;
}

/** Adds a matrix [rows, columns] times a vector to a result. */
function addProduct(result, { values, shape: [rows, columns] }, vector) {
  for (let r = 0, at = 0; r < rows; r++) {
    let sum = 0;
    for (let c = 0; c < columns; c++) sum += values[at++] * vector[c];
    result[r] += sum;
  }
}

/** A linear map with a bias, or without. */
function linear({ matrix, bias }, vector) {
  const result = bias ? Float64Array.from(bias.values) : new Float64Array(matrix.shape[0]);
  addProduct(result, matrix, vector);
  return result;
}

/** The states that a new sequence begins with, by name. */
function beginning({ lines }) {
  const states = lines.filter(({ op }) => op === "state");
  return Object.fromEntries(states.map(({ name, size, number }) => [name, new Float64Array(size).fill(number)]));
}

/**
 * One step of a layer.
 * `inputs` and `states` have vectors by name; the result has the value of each line, and the new states by name.
 */
function step({ lines, outputs, result }, inputs, states) {
  const values = [];
  for (const { op, args, size, name, number, vector, matrices, bias } of lines) {
    let value;
    if (op === "input") value = inputs[name];
    else if (op === "state") value = states[name];
    else if (op === "constant") value = Float64Array.of(number);
    else if (op === "parameter") value = vector.values;
    else if (op === "affine") {
      value = Float64Array.from(bias.values);
      matrices.forEach((matrix, place) => addProduct(value, matrix, values[args[place]]));
    } else if (op !== "unused") value = apply(op, size, ...args.map((arg) => values[arg]));
    values.push(value);
  }
  const names = Object.keys(states);
  const after = Object.fromEntries(outputs.map((line, place) => [names[place], values[line]]));
  return { values, after, output: values[result] };
}

/**
 * Reads a sequence with all layers. The inputs of a step are vectors by name; the first is the layer's own input, the
 * others are the same for all layers. The result has the outputs, those of several directions side by side, and for
 * each layer and direction the values of all steps in the order in which it reads them.
 */
function readThrough({ levels }, sequence) {
  const name = levels[0][0].lines.find(({ op }) => op === "input").name;
  const read = [];
  let outputs = sequence.map((inputs) => inputs[name]);
  for (const directions of levels) {
    const below = outputs;
    const sides = directions.map((layer, direction) => {
      let states = beginning(layer);
      const order = below.map((_, t) => (direction ? below.length - 1 - t : t));
      return order.map((t) => {
        const done = step(layer, { ...sequence[t], [name]: below[t] }, states);
        states = done.after;
        return done;
      });
    });
    outputs = below.map((_, t) => {
      const parts = sides.map((side, direction) => side[direction ? below.length - 1 - t : t].output);
      return parts.length === 1 ? parts[0] : Float64Array.from([...parts[0], ...parts[1]]);
    });
    read.push(sides.map((side) => side.map(({ values }) => values)));
  }
  return { outputs, read };
}
