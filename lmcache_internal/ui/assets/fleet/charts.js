// Charts of the fleet: the sum of all ranks, and a line for each rank.

import { LineChart } from "../chart.js";
import { h, svg } from "../dom.js";

/** @typedef {import("./history.js").Figures} Figures */

const FEW = 20; // More lines are drawn only on request.
const MAX_POINTS = 6_000; // Of all lines of a chart together; more would take too long to draw.

/** @type {import("./state.js").FleetView} */
export const view = { id: "charts", title: "Charts", create };

/** The first series is the sum. */
class FleetChart extends LineChart {
  get listed() {
    const { series } = this.data;
    return series.length > 1 + FEW ? series.slice(0, 1) : series;
  }

  /** @param {number} number */
  lineClass(number) {
    return number === 0 ? "line line-0 sum" : this.data.series.length <= 4 ? super.lineClass(number) : "line rank";
  }

  /**
   * Return the lines of all ranks as one element, because the browser spends more time on 200 elements.
   * @param {(value: number) => number} y
   */
  lines(y) {
    const [sum, ...ranks] = this.data.series;
    if (!sum || ranks.length <= 3) return super.lines(y);
    const { times } = this.data;
    const [first, last] = [this.x(0), this.x(times.length - 1)];
    const scale = (last - first) / Math.max(1, times[times.length - 1] - times[0]);
    const xs = times.map((time) => (first + (time - times[0]) * scale).toFixed(1));
    const step = stepFor(times.length, ranks.length);
    const all = ranks.map(({ values }) => pathOf(values, xs, y, step)).join("");
    return [
      svg("path", { class: "line rank", d: all }),
      svg("path", { class: this.lineClass(0), d: pathOf(sum.values, xs, y, 1) }),
    ];
  }
}

/**
 * Return the commands of a line, with every `step`th point.
 * @param {(number | null)[]} values
 * @param {string[]} xs
 * @param {(value: number) => number} y
 * @param {number} step
 */
export function pathOf(values, xs, y, step) {
  let commands = "";
  let drawing = false;
  for (let index = (values.length - 1) % step; index < values.length; index += step) {
    const value = values[index];
    if (value !== null) commands += `${drawing ? "L" : "M"}${xs[index]} ${Math.round(y(value))}`;
    drawing = value !== null;
  }
  return commands;
}

/**
 * Return how many points to go on by, so that all lines together have at most `MAX_POINTS`.
 * @param {number} length - of a line
 * @param {number} count - of lines
 */
export function stepFor(length, count) {
  return Math.max(1, Math.ceil((length * count) / MAX_POINTS));
}

/** @param {import("./state.js").FleetContext} context */
function create({ state }) {
  const charts = /** @type {[keyof Figures, string, FleetChart][]} */ ([
    ["hitRate", "all ranks", new FleetChart("Token hit rate", "percent", 1)],
    ["requested", "sum", new FleetChart("Requested tokens", "per second")],
    ["stored", "sum", new FleetChart("Stored tokens", "per second")],
    ["usage", "sum", new FleetChart("Usage of the local backends", "bytes")],
  ]);
  const each = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", onchange: () => poll() }));
  let touched = false;
  each.addEventListener("change", () => (touched = true));

  function poll() {
    const { history, rows, chosen } = state;
    if (!touched) each.checked = rows.length <= FEW;
    const shown = each.checked ? rows.filter(({ number }) => chosen.size === 0 || chosen.has(number)) : [];
    for (const [key, name, chart] of charts) {
      const lines = shown.map((row) => ({
        name: `${row.number} ${row.name}`,
        values: history.ranks.get(row.number)?.[key] ?? [],
      }));
      chart.update({ times: history.times, series: [{ name, values: history.sum[key] }, ...lines] });
    }
  }

  const grid = h(
    "div",
    { class: "charts" },
    charts.map(([, , chart]) => chart.element),
  );
  const toggle = h("label", {}, each, " A line for each rank (the chosen ranks, if you have chosen some in Ranks)");
  return { element: h("div", {}, h("p", { class: "tools" }, toggle), grid), refresh: async () => poll(), poll };
}
