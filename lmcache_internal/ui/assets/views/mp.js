// An MP server: L1 and L2, workers, sessions, prefetches, quotas.

import { LineChart } from "../chart.js";
import { drainControls } from "../controls.js";
import { h, replace } from "../dom.js";
import { adaptersOf, l1Of, partsOf, prefetchesOf, workersOf } from "../mp_status.js";
import { meter, table } from "../rows.js";
import { format } from "../scales.js";
import { quotas } from "./mp_quotas.js";

const LENGTH = 450; // 15 minutes at a poll every 2 s.

/** @type {import("../views.js").View} */
export const view = { id: "mp", title: "MP server", route: "GET /status", live: true, create };

/** @param {import("../views.js").Context} context */
function create(context) {
  const { client } = context;
  const tiles = h("dl", { class: "tiles" });
  const chart = new LineChart("Usage of L1 and L2", "bytes");
  const parts = h("p");
  const tiers = h("div");
  const workers = h("div");
  const quota = quotas(context);
  const drain = drainControls(context);
  /** @type {{times: number[], l1: (number | null)[], l2: (number | null)[]}} */
  const past = { times: [], l1: [], l2: [] };

  async function refresh() {
    const [status, config] = await Promise.all([
      client.json("/status"),
      client.json("/config/adapters"),
      quota.refresh(),
      drain.refresh(),
    ]);
    const [l1, adapters] = [l1Of(status), adaptersOf(status, config)];
    past.times.push(Date.now());
    past.l1.push(l1.used);
    past.l2.push(sumOf(adapters.map(({ used }) => used)));
    for (const values of Object.values(past)) if (values.length > LENGTH) values.shift();
    const series = [
      { name: "L1", values: past.l1 },
      { name: "L2", values: past.l2 },
    ];
    chart.update({ times: past.times, series });
    showTiles(tiles, status, l1);
    const ill = partsOf(status).filter(([, healthy]) => !healthy);
    replace(
      parts,
      ill.length === 0 ? "All parts are healthy." : `✘ Not healthy: ${ill.map(([name]) => name).join(", ")}`,
    );
    parts.className = ill.length === 0 ? "ok" : "bad";
    replace(tiers, table("Tiers", ["Tier", "State", "Used", "Limit", "Objects", "Details"], tierRows(l1, adapters)));
    const rows = workersOf(status).map(({ id, model, worldSize, layout }) => [id, model, worldSize, layout]);
    replace(workers, table("Workers", ["Instance", "Model", "World size", "KV cache"], rows));
  }

  const sections = [
    h("h2", {}, "L1 and L2"),
    tiers,
    h("h2", {}, "Workers"),
    workers,
    h("h2", {}, "Quotas"),
    quota.element,
  ];
  return { element: h("div", {}, parts, tiles, drain.element, chart.element, sections), refresh };
}

/**
 * @param {import("../mp_status.js").Tier} l1
 * @param {import("../mp_status.js").Adapter[]} adapters
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

/**
 * @param {HTMLElement} element
 * @param {any} status
 * @param {import("../mp_status.js").Tier} l1
 */
function showTiles(element, status, l1) {
  /** @type {[string, string][]} */
  const tiles = [
    ["L1 used", l1.used !== null && l1.total ? format(l1.used / l1.total, "percent") : "–"],
    ["Active sessions", format(status.active_sessions, "number")],
    ["Running prefetches", format(prefetchesOf(status), "number")],
    ["Workers", String(workersOf(status).length)],
    ["Chunk size", format(status.chunk_size, "number")],
    ["Hash", String(status.hash_algorithm ?? "–")],
  ];
  replace(
    element,
    tiles.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/** @param {(number | null)[]} values */
function sumOf(values) {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) : null;
}
