// Charts of the fleet: the sum of all ranks, and a line for each rank.

import { LineChart } from "../chart.js";
import { h } from "../dom.js";

/** @typedef {import("./history.js").Figures} Figures */

const FEW = 20; // More lines are drawn only on request.
const MAX_POINTS = 12_000; // Of all lines of a chart together; more would take too long to draw.

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
   * @param {(number | null)[]} values
   * @param {(value: number) => number} y
   */
  path(values, y) {
    const step = stepFor(values.length, this.data.series.length);
    let commands = "";
    let drawing = false;
    for (let index = (values.length - 1) % step; index < values.length; index += step) {
      const value = values[index];
      if (value !== null) commands += `${drawing ? "L" : "M"}${this.x(index).toFixed(1)} ${y(value).toFixed(1)}`;
      drawing = value !== null;
    }
    return commands;
  }
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
