// An MP server: L1 and L2, workers, sessions, prefetches, quotas.

import { LineChart } from "../chart.js";
import { drainControls } from "../controls.js";
import { share } from "../deltas.js";
import { h, replace } from "../dom.js";
import {
  adaptersOf,
  l1Of,
  mostPrefetchesOf,
  partsOf,
  prefetchPhasesOf,
  prefetchesOf,
  workersOf,
} from "../mp_status.js";
import { meter, showTiles, table } from "../rows.js";
import { format } from "../scales.js";
import { Timeline } from "../timeline.js";
import { quotas } from "./mp_quotas.js";

/** @type {View} */
export const view = { id: "mp", title: "MP server", route: "GET /status", live: true, create };

/** @param {Context} context */
function create(context) {
  const { client } = context;
  const tiles = h("dl", { class: "tiles" });
  const chart = new LineChart("Usage of L1 and L2", "bytes");
  const parts = h("p");
  const tiers = h("div");
  const workers = h("div");
  const prefetches = h("div");
  const quota = quotas(context);
  const drain = drainControls(context);
  const timeline = new Timeline();

  async function refresh() {
    const [status, config] = await Promise.all([
      client.json("/status"),
      client.json("/config/adapters"),
      quota.refresh(),
      drain.refresh(),
    ]);
    const [l1, adapters] = [l1Of(status), adaptersOf(status, config)];
    timeline.add(Date.now(), { L1: l1.used, L2: sumOf(adapters.map(({ used }) => used)) });
    const series = ["L1", "L2"].map((name) => ({ name, values: timeline.values(name) }));
    chart.update({ times: timeline.times, series });
    showTiles(tiles, tilesOf(status, l1));
    const ill = partsOf(status).filter(([, healthy]) => !healthy);
    const names = ill.map(([name]) => name).join(", ");
    replace(parts, names ? `✘ Not healthy: ${names}` : "All parts are healthy.");
    parts.className = names ? "bad" : "ok";
    replace(tiers, table("Tiers", ["Tier", "State", "Used", "Limit", "Objects", "Details"], tierRows(l1, adapters)));
    const rows = workersOf(status).map(({ id, model, worldSize, layout }) => [id, model, worldSize, layout]);
    replace(prefetches, ...[prefetchTable(status)].flat());
    replace(workers, table("Workers", ["Instance", "Model", "World size", "KV cache"], rows));
  }

  const sections = Object.entries({
    "L1 and L2": tiers,
    Workers: workers,
    Prefetches: prefetches,
    Quotas: quota.element,
  });
  const parted = sections.map(([title, section]) => h("section", {}, h("h2", {}, title), section));
  return { element: h("div", {}, parts, tiles, drain.element, chart.element, parted), refresh };
}

/**
 * @param {Tier} l1
 * @param {Adapter[]} adapters
 */
function tierRows(l1, adapters) {
  const usage = h("span", {}, format(l1.used, "bytes"), " ", meter("Usage of L1", l1.used, l1.total));
  const first = ["L1", "", usage, format(l1.total, "bytes"), format(l1.objects, "number"), ""];
  const others = adapters.map(({ name, healthy, used, objects, details }) => [
    `L2: ${name}`,
    healthy === null ? "–" : healthy ? "✔ healthy" : "✘ not healthy",
    format(used, "bytes"),
    "–",
    format(objects, "number"),
    details,
  ]);
  return [first, ...others];
}

/** @param {any} status */
function prefetchTable(status) {
  const phases = prefetchPhasesOf(status);
  if (phases.length === 0) return h("p", {}, "This server reports no phases of prefetches.");
  const most = mostPrefetchesOf(status);
  const rows = phases.map(([phase, count]) => [phase, format(count, "number")]);
  return [
    table("Prefetches", ["Phase", "Prefetches"], rows),
    most !== null && h("p", { class: "quiet" }, `At most ${most} look up or load objects at the same time.`),
  ];
}

/**
 * @param {any} status
 * @param {Tier} l1
 * @returns {[string, string][]}
 */
function tilesOf(status, l1) {
  return [
    ["L1 used", format(share(l1.used, l1.total), "percent")],
    ["Active sessions", format(status.active_sessions, "number")],
    ["Running prefetches", format(prefetchesOf(status), "number")],
    ["Workers", String(workersOf(status).length)],
    ["Chunk size", format(status.chunk_size, "number")],
    ["Hash", String(status.hash_algorithm ?? "–")],
  ];
}

/** @param {(number | null)[]} values */
function sumOf(values) {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) : null;
}
