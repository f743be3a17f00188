// Charts of the fleet: the sum of all ranks, and a line for each rank.

import { LineChart } from "../chart.js";
import { h, input, svg } from "../dom.js";
import { pathOf } from "../plot.js";

const DISTINCT = 8; // So many ranks have lines of their own color and dashes.
const FEW = 20; // More lines are drawn only on request.
const MAX_POINTS = 6_000; // Of all lines of a chart together; more would take too long to draw.

/** @type {FleetView} */
export const view = { id: "charts", title: "Charts", create };

/** The first series is the sum. */
class FleetChart extends LineChart {
  get listed() {
    const { series } = this.data;
    return series.length > 1 + FEW ? series.slice(0, 1) : series;
  }

  /** @param {number} number */
  lineClass(number) {
    return number === 0
      ? "line line-0 sum"
      : this.data.series.length <= 1 + DISTINCT
        ? super.lineClass(number)
        : "line rank";
  }

  /**
   * Return the lines of all ranks as one element, because the browser spends more time on 200 elements.
   * @param {string[]} xs
   * @param {Scale} y
   */
  lines(xs, y) {
    const [sum, ...ranks] = this.data.series;
    if (!sum || ranks.length <= DISTINCT) return super.lines(xs, y);
    const step = stepFor(xs.length, ranks.length);
    const all = ranks.map(({ values }) => pathOf(values, xs, y, step, 0)).join("");
    return [
      svg("path", { class: "line rank", d: all }),
      svg("path", { class: this.lineClass(0), d: pathOf(sum.values, xs, y, 1, 0) }),
    ];
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

/** @param {FleetContext} context */
function create({ state }) {
  const charts = /** @type {[keyof Figures, string, FleetChart][]} */ ([
    ["hitRate", "all ranks", new FleetChart("Token hit rate, last 30 s", "percent", 1)],
    ["requested", "sum", new FleetChart("Requested tokens, last 30 s", "per second")],
    ["stored", "sum", new FleetChart("Stored tokens, last 30 s", "per second")],
    ["usage", "sum", new FleetChart("Usage of the local backends", "bytes")],
  ]);
  let touched = false;
  const each = input({
    type: "checkbox",
    onchange: () => {
      touched = true;
      poll();
    },
  });

  function poll() {
    const { history, rows, chosen } = state;
    if (!touched) each.checked = rows.length <= FEW;
    const shown = each.checked ? rows.filter(({ number }) => chosen.size === 0 || chosen.has(number)) : [];
    for (const [key, name, chart] of charts) {
      const lines = shown.map((row) => ({
        name: `${row.number} ${row.name}`,
        values: history.line(row.number, key),
      }));
      chart.update({ times: history.timeline.times, series: [{ name, values: history.line("sum", key) }, ...lines] });
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
