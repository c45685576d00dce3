// A series and its forecast as a picture (SVG).

const SVG = "http://www.w3.org/2000/svg";
const [WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM] = [720, 260, 58, 12, 12, 26]; // the picture, and its margins

function shape(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** Round numbers, some four of them, that a range from low to high has. */
function ticks(low, high) {
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const first = Math.ceil(low / size);
  const digits = Math.max(0, -Math.floor(Math.log10(size)));
  return Array.from({ length: Math.floor(high / size) - first + 1 }, (_, i) => ({ at: (first + i) * size, digits }));
}

/**
 * Draws the history and the forecast of a variable.
 *
 * @param band lowest and highest quantile of each step, or null
 */
function drawing({ history, forecast, band, title }) {
  const every = [...history, ...forecast, ...(band ?? []).flat()];
  const [low, high] = [Math.min(...every), Math.max(...every)];
  const count = history.length + forecast.length;
  const x = (t) => LEFT + (t / Math.max(count - 1, 1)) * (WIDE - LEFT - RIGHT);
  const y = (value) => HIGH - BOTTOM - ((value - low) / (high - low || 1)) * (HIGH - TOP - BOTTOM);
  const line = (values, first) => values.map((value, t) => `${x(first + t).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const picture = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": title, class: "drawing" });
  for (const { at, digits } of ticks(low, high)) {
    picture.append(
      shape("line", { x1: LEFT, x2: WIDE - RIGHT, y1: y(at), y2: y(at), class: "grid" }),
      shape("text", { x: LEFT - 8, y: y(at) + 4, "text-anchor": "end" }, written(at, digits)),
    );
  }
  const start = history.length - 1;
  if (band) {
    const edge = (place) => band.map((ends) => ends[place]);
    const around = [line([history.at(-1), ...edge(1)], start), ...line(edge(0), start + 1).split(" ").reverse()];
    picture.append(shape("polygon", { points: around.join(" "), class: "band" }));
  }
  picture.append(
    shape("polyline", { points: line(history, 0), class: "history" }),
    shape("polyline", { points: line([history.at(-1), ...forecast], start), class: "forecast" }),
    shape("text", { x: x(0), y: HIGH - 6 }, String(1 - history.length)),
    shape("text", { x: x(start), y: HIGH - 6, "text-anchor": "middle" }, "0"),
    shape("text", { x: x(count - 1), y: HIGH - 6, "text-anchor": "end" }, `+${forecast.length}`),
  );
  forecast.forEach((value, t) => picture.append(shape("circle", { cx: x(start + 1 + t), cy: y(value), r: 2.5, class: "dot" })));
  return picture;
}
