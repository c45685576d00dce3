// The page of a forecaster: a window of numbers, and the steps after it.

const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** Splits rows [T][V] into columns [V][T], or back. */
const turned = (rows) => rows[0].map((_, i) => rows.map((row) => row[i]));

/** What the head says of a step: its number, and the quantiles at its levels or null. */
function said({ head, normals }, numbers, scale, shift) {
  if (head.kind === "gaussian") {
    const point = numbers[0] * scale + shift;
    const deviation = POINTWISE.softplus(numbers[1]) * Math.abs(scale) + head.least;
    return { point, quantiles: normals.map((place) => point + deviation * place) };
  }
  const values = Array.from(numbers, (x) => x * scale + shift);
  if (head.kind === "point") return { point: values[0], quantiles: null };
  const quantiles = values.sort((a, b) => a - b);
  return { point: quantiles[head.levels.indexOf(0.5)], quantiles };
}

/** The output of the recurrent layers for rows of series [rows][context]: [steps * outputs]. */
function readPatches({ patch, context, layers, inputs, output }, rows) {
  const steps = Array.from({ length: context / patch }, (_, p) => ({
    [inputs[0]]: Float64Array.from(rows.flatMap((series) => series.slice(p * patch, (p + 1) * patch))),
  }));
  return linear(output, readThrough(layers, steps).outputs.at(-1));
}

/** The forecast after a window [context][V] in its own units: for each target and step its number and quantiles. */
function forecast(network, window) {
  const { targets, steps, head, scaling, gain, shift, autoregression } = network;
  const series = turned(window).map((values, v) => values.map((x) => (x - scaling.mean[v]) / scaling.scale[v]));
  const moments = series.map((values) => {
    if (!network.window) return [0, 1];
    const centre = mean(values);
    return [centre, Math.sqrt(mean(values.map((x) => (x - centre) ** 2)) + network.least)];
  });
  const normal = series.map((values, v) =>
    values.map((x) => ((x - moments[v][0]) / moments[v][1]) * (gain ? gain.values[v] : 1) + (shift ? shift.values[v] : 0)),
  );
  const together = network.independent ? null : readPatches(network, normal);
  return targets.map((v, place) => {
    let [centre, deviation] = moments[v];
    if (gain) {
      deviation /= gain.values[v] + network.least ** 2;
      centre -= shift.values[v] * deviation;
    }
    const alone = together ?? readPatches(network, [normal[v]]);
    const straight = autoregression && linear(autoregression, normal[v]);
    return Array.from({ length: steps }, (_, t) => {
      const at = together ? (t * targets.length + place) * head.size : t * head.size;
      const numbers = Array.from(alone.slice(at, at + head.size), (x, i) =>
        straight && !(head.kind === "gaussian" && i) ? x + straight[t] : x,
      );
      const { point, quantiles } = said(network, numbers, deviation, centre);
      const own = (x) => x * scaling.scale[v] + scaling.mean[v];
      return { point: own(point), quantiles: quantiles && quantiles.map(own) };
    });
  });
}

/** The forecast of as many steps as are wanted; a network that gives fewer at once goes on from its own. */
function forecastAll(network, window) {
  const { horizon, context } = network;
  const all = network.targets.map(() => []);
  while (all[0].length < horizon) {
    const next = forecast(network, window);
    next.forEach((values, place) => all[place].push(...values));
    const points = next.map((values) => values.map(({ point }) => point));
    if (all[0].length < horizon) window = [...window, ...turned(points)].slice(-context);
  }
  return all.map((values) => values.slice(0, horizon));
}

const view = {
  start(network) {
    this.network = network;
    byId("own").hidden = !network.end;
    byId("own").addEventListener("click", () => this.takeOwn());
    byId("text").addEventListener("input", atNextFrame(() => this.render()));
    if (network.end) byId("text").value = this.ownWindow();
  },

  ownWindow() {
    return this.network.end.map((step) => step.map((x) => String(Number(x.toPrecision(8)))).join(", ")).join("\n");
  },

  takeOwn() {
    byId("text").value = this.ownWindow();
    this.render();
  },

  read() {
    const { variables, context } = this.network;
    const steps = readNumbers(byId("text").value, variables.length);
    if (steps.length < context) throw new RangeError(say("too_short", { count: steps.length, context }));
    return steps;
  },

  render() {
    const { variables, context, labels, targets, head } = this.network;
    byId("text-label").textContent = say("window");
    byId("hint").textContent = say("hint_forecast", { context, variables: variables.join(", ") });
    byId("trouble").textContent = "";
    let steps;
    try {
      steps = this.read();
    } catch (trouble) {
      if (!(trouble instanceof RangeError)) throw trouble;
      byId("trouble").textContent = trouble.message;
      for (const id of ["drawings", "numbers-table"]) byId(id).replaceChildren();
      byId("legend").textContent = "";
      return;
    }
    const window = steps.slice(-context);
    this.said = forecastAll(this.network, window);
    const figures = this.said.map((values, place) => {
      const band = values[0].quantiles && values.map(({ quantiles }) => [quantiles[0], quantiles.at(-1)]);
      const points = values.map(({ point }) => point);
      const title = say("drawn", { name: labels[place], values: points.map((x) => written(x)).join(", ") });
      const figure = element("figure");
      figure.append(element("figcaption", labels[place]), drawing({ history: window.map((step) => step[targets[place]]), forecast: points, band, title }));
      return figure;
    });
    byId("drawings").replaceChildren(...figures);
    const banded = head.kind !== "point";
    const ends = [head.levels[0], head.levels.at(-1)].map((level) => written(level));
    byId("legend").textContent = say("legend_forecast") + (banded ? ` ${say("legend_band", { low: ends[0], high: ends[1] })}` : "");
    saySlowly(say("drawn", { name: labels[0], values: written(this.said[0][0].point) }));
    this.showNumbers(banded ? head.levels : []);
  },

  showNumbers(levels) {
    const { labels } = this.network;
    const header = element("tr");
    for (const name of [say("step_name"), say("variable"), say("value"), ...levels.map((level) => written(level))]) {
      header.append(element("th", name, { scope: "col" }));
    }
    const rows = this.said[0].flatMap((_, t) =>
      this.said.map((values, place) => {
        const made = element("tr");
        const numbers = [values[t].point, ...(values[t].quantiles ?? [])].map((x) => written(x, 4));
        made.append(...[String(t + 1), labels[place], ...numbers].map((text) => element("td", text)));
        return made;
      }),
    );
    byId("numbers-table").replaceChildren(header, ...rows);
  },
};
