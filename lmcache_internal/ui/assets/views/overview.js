// Health, modes, and the traffic of the cache over time.

import { LineChart, clock } from "../chart.js";
import { changesOf } from "../changes.js";
import { h, replace } from "../dom.js";
import { Scrape, parse } from "../exposition.js";
import { failingSince, modesOf, readHealth, showHealth } from "../health.js";
import { History } from "../history.js";
import { duration, format } from "../scales.js";
import { CHARTS } from "./overview_charts.js";
import { details } from "./overview_details.js";

const LISTED = 10;

/** @type {import("../views.js").View} */
export const view = { id: "overview", title: "Overview", route: "GET /metrics", live: true, create };

/** @param {import("../views.js").Context} context */
function create(context) {
  const { client } = context;
  const history = new History();
  const health = h("section", { "aria-label": "Health" });
  const tiles = h("dl", { class: "tiles" });
  const release = h("p", { class: "quiet" });
  const recent = h("ul", { class: "plain" });
  const charts = CHARTS.map(({ title, unit, highest, lines }) => ({
    chart: new LineChart(title, unit, highest),
    lines,
  }));
  const slow = details(context);
  let [status, since] = ["", 0];
  /** @type {Map<string, number>} */
  let failing = new Map();

  async function refresh() {
    const [checks, text] = await Promise.all([readHealth(client), client.text("/metrics")]);
    if (status !== checks.status) [status, since] = [checks.status, Date.now()];
    failing = failingSince(failing, checks, Date.now());
    const scrape = new Scrape(parse(text), Date.now());
    history.add(scrape);
    const { audit, revisions, version } = await slow.refresh(scrape, history);
    const marks = changesOf(audit, revisions);
    showHealth(health, checks, since, failing, modesOf(scrape));
    showTiles(tiles, history);
    release.textContent = `LMCache ${version}`;
    for (const { chart, lines } of charts)
      chart.update({ times: history.times, series: lines.map(([label, key]) => history.series(label, key)), marks });
    showRecent(recent, marks);
  }

  const grid = h(
    "div",
    { class: "charts" },
    charts.map(({ chart }) => chart.element),
  );
  const parts = [
    health,
    tiles,
    grid,
    slow.element,
    h("h2", {}, "Recent changes"),
    recent,
    h("h2", {}, "Version"),
    release,
  ];
  return { element: h("div", {}, parts), refresh };
}

/**
 * @param {HTMLElement} element
 * @param {import("../changes.js").Change[]} changes
 */
function showRecent(element, changes) {
  const latest = changes.slice(-LISTED).reverse();
  replace(
    element,
    latest.map(({ time, label }) =>
      h("li", {}, h("time", { datetime: new Date(time).toISOString() }, clock(time)), ` ${label}`),
    ),
    latest.length === 0 && h("li", {}, "None since the start."),
  );
}

/**
 * @param {HTMLElement} element
 * @param {History} history
 */
function showTiles(element, history) {
  const scrape = history.scrapes.at(-1);
  const started = scrape?.sum("process_start_time_seconds");
  const hitRate = history.last("hitRate");
  /** @type {[string, string][]} */
  const tiles = [
    ["Token hit rate", hitRate === null ? "no traffic" : format(hitRate, "percent")],
    ["Tokens requested", format(history.last("requested"), "per second")],
    ["Tokens stored", format(history.last("stored"), "per second")],
    ["Memory used", format(history.last("memory"), "bytes")],
    ["Stuck calls", format(scrape?.sum("lmcache_internal:stuck_calls"), "number")],
    ["Uptime", started ? duration(Date.now() / 1000 - started) : "–"],
  ];
  replace(
    element,
    tiles.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}
