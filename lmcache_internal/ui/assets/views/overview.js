// Health, modes, and the traffic of the cache over time.

import { LineChart } from "../chart.js";
import { changesOf } from "../changes.js";
import { h, replace } from "../dom.js";
import { Scrape, parse } from "../exposition.js";
import { modesOf, readHealth, showHealth } from "../health.js";
import { History, STARTED } from "../history.js";
import { showTiles } from "../rows.js";
import { duration, format } from "../scales.js";
import { moment } from "../texts.js";
import { CHARTS } from "./overview_charts.js";
import { details } from "./overview_details.js";

const LISTED = 10;

/** @type {View} */
export const view = { id: "overview", title: "Overview", route: "GET /metrics", live: true, create };

/** @param {Context} context */
function create(context) {
  const { client } = context;
  const history = new History();
  const health = h("section", { "aria-label": "Health" });
  const tiles = h("dl", { class: "tiles" });
  const release = h("p", { class: "quiet" });
  const recent = h("ul", { class: "plain" });
  const charts = CHARTS.map(({ title, unit, highest, lines }) => ({
    lines,
    chart: new LineChart(title, unit, highest),
  }));
  const slow = details(context);

  async function refresh() {
    const [checks, text] = await Promise.all([readHealth(client), client.text("/metrics")]);
    const scrape = new Scrape(parse(text), Date.now());
    history.add(scrape);
    const { audit, revisions, version } = await slow.refresh(scrape, history);
    const marks = changesOf(audit, revisions);
    showHealth(health, checks, modesOf(scrape));
    showTiles(tiles, tilesOf(history));
    release.textContent = `LMCache ${version}`;
    const { timeline } = history;
    for (const { chart, lines } of charts) {
      const series = Object.entries(lines).map(([name, key]) => ({ name, values: timeline.values(key) }));
      chart.update({ times: timeline.times, series, marks });
    }
    showRecent(recent, marks);
  }

  const graphs = charts.map(({ chart }) => chart.element);
  const parts = [health, tiles, h("div", { class: "charts" }, graphs), slow.element];
  const unread = context.requires("GET /audit") && h("p", {}, "Changes in the audit log require the role admin.");
  const others = [h("h2", {}, "Recent changes"), unread, recent, h("h2", {}, "Version"), release];
  return { element: h("div", {}, parts, others), refresh };
}

/**
 * @param {HTMLElement} element
 * @param {Mark[]} changes
 */
function showRecent(element, changes) {
  const latest = changes.slice(-LISTED).reverse();
  const items = latest.map(({ time, label }) =>
    h("li", {}, h("time", { datetime: new Date(time).toISOString() }, moment(time)), ` ${label}`),
  );
  replace(element, items, items.length === 0 && h("li", {}, "None known."));
}

/**
 * @param {History} history
 * @returns {[string, string][]}
 */
function tilesOf({ scrape, timeline }) {
  const started = scrape?.sum(STARTED);
  const hitRate = timeline.last("hitRate");
  return [
    ["Token hit rate", hitRate === null ? "no traffic" : format(hitRate, "percent")],
    ["Tokens requested", format(timeline.last("requested"), "per second")],
    ["Tokens stored", format(timeline.last("stored"), "per second")],
    ["Memory used", format(timeline.last("memory"), "bytes")],
    ["Stuck calls", format(scrape?.sum("lmcache_internal:stuck_calls"), "number")],
    ["Uptime", started ? duration(Date.now() / 1000 - started) : "–"],
  ];
}
