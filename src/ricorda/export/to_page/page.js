// What the pages of all tasks share: reading the model, languages, colours, elements.

const byId = (id) => document.getElementById(id);
const page = { language: "en", network: null };

/** A sentence in the page's language, with values put in; nothing in it is read as HTML. */
function say(key, values = {}) {
  return TEXTS[page.language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** A number as the page's language writes it. */
function written(number, digits = 2, signed = false) {
  const shown = new Intl.NumberFormat(page.language, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    signDisplay: signed ? "always" : "auto",
  });
  return shown.format(number).replace("-", "−");
}

const percent = (share) =>
  new Intl.NumberFormat(page.language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(share);

/** A new element with a text. */
function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** A function that calls another at the next frame, once, however often it was asked. */
function atNextFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}

/** A function that calls another when it was not asked for a while: a screen reader is not to read every letter. */
function whenStill(work, milliseconds = 700) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), milliseconds);
  };
}

const saySlowly = whenStill((text) => (byId("said").textContent = text));

/** The model, with its arrays as views of one block of numbers. */
function readModel() {
  const text = atob(byId("numbers").textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const every = new Float32Array(bytes.buffer); // Every machine with a browser has the low byte first.
  const withArrays = (value) => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return typeof value[0] === "object" ? value.map(withArrays) : value;
    if (value.at === undefined) return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withArrays(part)]));
    const size = value.shape.reduce((product, length) => product * length, 1);
    return { shape: value.shape, values: every.subarray(value.at, value.at + size) };
  };
  const model = withArrays(JSON.parse(byId("model").textContent));
  const memory = model.layers.memory;
  if (memory) {
    const byPlace = Object.entries(memory.additive).map(([place, lines]) => [place, new Set(lines)]);
    memory.additive = Object.fromEntries(byPlace);
    memory.leaves = new Map(Object.entries(memory.leaves).map(([line, place]) => [Number(line), place]));
    memory.moving = new Set(memory.moving);
    memory.sums = new Set(memory.sums);
  }
  return model;
}

function chooseLanguage(language) {
  page.language = language;
  document.documentElement.lang = language;
  const { network } = page;
  const labels = (network.labels ?? []).slice(0, 4).join(", ") + ((network.labels ?? []).length > 4 ? ", …" : "");
  byId("title").textContent = document.title = say(`title_${network.task}`, { labels });
  for (const part of document.querySelectorAll("[data-text]")) part.textContent = say(part.dataset.text);
  for (const part of document.querySelectorAll("[data-label]")) part.setAttribute("aria-label", say(part.dataset.label));
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
  const { cell, units, layers, directions, weights } = network.about;
  const both = directions > 1 ? say("both") : "";
  byId("about").textContent = say("about", { cell, units, layers, both, weights: written(weights, 0) });
  view.render();
}

function chooseTheme(theme) {
  document.documentElement.dataset.theme = theme;
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  }
}

/** Starts the page; `view` is that of the task, with start(network) and render(). */
function begin() {
  page.network = readModel();
  view.start(page.network);
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => chooseLanguage(button.dataset.language));
  }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = false;
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.addEventListener("click", () => {
      chosen = true;
      chooseTheme(button.dataset.themeChoice);
    });
  }
  dark.addEventListener("change", () => chosen || chooseTheme(dark.matches ? "dark" : "light"));
  chooseTheme(dark.matches ? "dark" : "light");
  chooseLanguage(navigator.language.toLowerCase().startsWith("it") ? "it" : "en");
}
