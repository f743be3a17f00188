// Health, modes, and the traffic of the cache over time.

import { LineChart } from "../chart.js";
import { ApiError } from "../client.js";
import { h, replace } from "../dom.js";
import { Scrape, parse } from "../exposition.js";
import { FAMILIES, History } from "../history.js";
import { duration, format } from "../scales.js";

const QUERY = FAMILIES.map((name) => `name[]=${encodeURIComponent(name)}`).join("&");

/** @type {import("../views.js").View} */
export const view = { id: "overview", title: "Overview", route: "GET /metrics", live: true, create };

/** @param {import("../views.js").Context} context */
function create({ client, requires }) {
  const history = new History();
  const health = h("section", { "aria-label": "Health" });
  const tiles = h("dl", { class: "tiles" });
  const charts = {
    hitRate: new LineChart("Token hit rate", "percent", 1),
    tokens: new LineChart("Tokens", "per second"),
    usage: new LineChart("Usage of the local backends", "bytes"),
    latency: new LineChart("Latency, last 30 s", "seconds"),
    failures: new LineChart("Evictions and failures", "per second"),
  };
  let [status, since] = ["", 0];

  async function refresh() {
    const [checks, text, changes] = await Promise.all([
      healthOf(client),
      client.text(`/metrics?${QUERY}`),
      requires("GET /audit") ? [] : client.json("/audit"),
    ]);
    if (status !== checks.status) [status, since] = [checks.status, Date.now()];
    history.add(new Scrape(parse(text), Date.now()));
    showHealth(health, checks, since);
    showTiles(tiles, history);
    const marks = changes
      .filter((/** @type {any} */ entry) => entry.status < 400)
      .map((/** @type {any} */ entry) => ({ time: Date.parse(entry.time), label: `${entry.method} ${entry.path}` }));
    const draw = (/** @type {LineChart} */ chart, /** @type {[string, string][]} */ keys) =>
      chart.update({ times: history.times, series: keys.map(([label, key]) => history.series(label, key)), marks });
    draw(charts.hitRate, [["hit rate", "hitRate"]]);
    draw(charts.tokens, [
      ["requested", "requested"],
      ["hit", "hit"],
      ["stored", "stored"],
    ]);
    draw(charts.usage, [
      ["memory", "memory"],
      ["disk", "disk"],
    ]);
    draw(charts.latency, [
      ["retrieve p50", "retrieve50"],
      ["p95", "retrieve95"],
      ["store p50", "store50"],
      ["p95", "store95"],
    ]);
    draw(charts.failures, [
      ["evictions", "evictions"],
      ["failed gets", "getFailures"],
      ["failed puts", "putFailures"],
    ]);
  }

  const grid = h(
    "div",
    { class: "charts" },
    Object.values(charts).map(({ element }) => element),
  );
  return { element: h("div", {}, health, tiles, grid), refresh };
}

/** @param {import("../client.js").Client} client */
async function healthOf(client) {
  try {
    return await client.json("/healthz");
  } catch (error) {
    if (error instanceof ApiError && error.body?.checks) return error.body; // A 503 has the same body.
    throw error;
  }
}

/**
 * @param {HTMLElement} element
 * @param {any} found
 * @param {number} since
 */
function showHealth(element, found, since) {
  const failing = Object.entries(found.checks ?? {}).filter(([, check]) => !(/** @type {any} */ (check).ok));
  const word = found.status === "ok" ? "✔ Healthy" : `✘ ${failing.length || "Some"} failing`;
  replace(
    element,
    h(
      "p",
      { class: found.status === "ok" ? "badge ok" : "badge bad" },
      word,
      h("span", { class: "quiet" }, ` for ${duration((Date.now() - since) / 1000)} as seen here`),
    ),
    failing.length > 0 &&
      h(
        "ul",
        {},
        failing.map(([name, check]) => h("li", {}, h("b", {}, name), `: ${/** @type {any} */ (check).message}`)),
      ),
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
    ["Requested", format(history.last("requested"), "per second")],
    ["Stored", format(history.last("stored"), "per second")],
    ["Memory", format(scrape?.sum("lmcache:local_cache_usage"), "bytes")],
    ["Stuck calls", format(scrape?.sum("lmcache_internal:stuck_calls"), "number")],
    ["Uptime", started ? duration(Date.now() / 1000 - started) : "–"],
  ];
  replace(
    element,
    tiles.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}
