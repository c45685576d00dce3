// Runs a model that `ricorda export wasm` wrote: in browsers, in Node and wherever else there is WebAssembly.

const FORMAT = 1;
const ARRAYS = { i32: Int32Array, f32: Float32Array, f64: Float64Array };

/** Make a model of a module's bytes, of a response that has them, or of a compiled module. */
export async function createModel(source) {
  source = await source;
  if (typeof Response !== "undefined" && source instanceof Response) {
    if (!source.ok) throw new Error(`the model was not found (${source.status} ${source.statusText})`);
    source = await source.arrayBuffer();
  }
  const module = source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
  const [note] = WebAssembly.Module.customSections(module, "ricorda");
  if (!note) throw new TypeError("this WebAssembly module is no model of ricorda's");
  const about = JSON.parse(new TextDecoder().decode(note));
  if (about.format !== FORMAT) throw new TypeError(`the model has format ${about.format}, and this file reads ${FORMAT}`);
  const { exports } = await WebAssembly.instantiate(module, {});
  return new Model(about, exports);
}

class Model {
  #memory;
  #step;
  #reset;

  constructor(about, exports) {
    this.about = about;
    this.#memory = exports.memory.buffer;
    this.#step = exports.step;
    this.#reset = exports.reset;
  }

  step(...given) {
    const inputs = this.about.inputs;
    if (given.length !== inputs.length) {
      const names = inputs.map((input) => input.name).join(", ");
      throw new TypeError(`a step takes ${names}: ${inputs.length} arguments, not ${given.length}`);
    }
    inputs.forEach((input, place) => this.#give(input, given[place]));
    this.#step();
    const { at, size, type } = this.about.output;
    return new ARRAYS[type](this.#memory, at, size).slice();
  }

  run(sequence) {
    this.reset();
    let output;
    let left = this.about.most ?? Infinity;
    for (const given of sequence) {
      if (!left--) break;
      output = this.about.inputs.length > 1 ? this.step(...given) : this.step(given);
    }
    return output;
  }

  reset() {
    this.#reset();
  }

  get state() {
    const { at, bytes } = this.about.state;
    return new Uint8Array(this.#memory, at, bytes).slice();
  }

  set state(kept) {
    const { at, bytes } = this.about.state;
    if (!(kept instanceof Uint8Array) || kept.length !== bytes) {
      throw new TypeError(`a state of this model is a Uint8Array of ${bytes} bytes, as its state gives it`);
    }
    new Uint8Array(this.#memory, at, bytes).set(kept);
  }

  #give(input, given) {
    if (input.type === "i32") {
      if (!Number.isInteger(given)) throw new TypeError(`${input.name} is ${given}: give a whole number`);
    }
    let numbers = typeof given === "number" ? [given] : given;
    if (Array.isArray(numbers?.[0])) numbers = numbers.flat();
    if (numbers?.length !== input.size) {
      throw new RangeError(`${input.name} has ${numbers?.length} numbers, and a step takes ${input.size}`);
    }
    new ARRAYS[input.type](this.#memory, input.at, input.size).set(numbers);
  }
}
