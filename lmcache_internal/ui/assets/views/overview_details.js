// The parts of the overview that change rarely: they are read every 10 s, so that a poll stays cheap.

import { cached } from "../cached.js";
import { share } from "../deltas.js";
import { h, replace } from "../dom.js";
import { STARTED } from "../history.js";
import { meter, table } from "../rows.js";
import { duration, format } from "../scales.js";
import { LIMITS, usagesOf } from "../usage.js";

const MS = 10_000;

/** @param {Context} context */
export function details({ client, requires, has }) {
  /** @param {string} path @param {any} missing - if the caller may not read it */
  const read = async (path, missing) => {
    const route = `GET ${path.split("?")[0]}`;
    return has(route) && !requires(route) ? client.json(path) : missing;
  };
  const recent = cached(async () => {
    const [audit, { revisions }] = await Promise.all([read("/audit", []), read("/conf/history", { revisions: [] })]);
    return { audit, revisions };
  }, MS);
  const threads = cached(() => read("/periodic-threads", {}), MS);
  const limits = cached(() => read(`/conf?names=${LIMITS}`, {}), 60_000);
  const version = cached(() => read("/version", "–"), Infinity);
  const backends = h("div");
  const pings = h("p");
  const periodic = h("div");

  /** @param {Scrape} scrape @param {import("../history.js").History} history */
  async function refresh(scrape, history) {
    const started = String(scrape.sum(STARTED));
    const key = `${started} ${scrape.sum("lmcache_internal:config_revision")}`;
    const [changes, threadList, config, release] = await Promise.all([
      recent(key),
      threads(started),
      limits(key),
      version(started),
    ]);
    const usages = usagesOf(scrape, config);
    replace(backends, usages.length > 0 && [h("h2", {}, "Backends"), backendTable(usages)]);
    replace(pings, pingText(scrape, history));
    replace(periodic, threadTable(threadList.threads ?? []));
    return { ...changes, version: String(release) };
  }

  const parts = [h("h2", {}, "Remote backend"), pings, h("h2", {}, "Periodic threads"), periodic];
  return { element: h("div", {}, backends, parts), refresh };
}

/** @param {Usage[]} usages */
function backendTable(usages) {
  const rows = usages.map(({ name, state, used, limit }) => [
    name,
    state,
    used === null ? "not reported" : format(used, "bytes"),
    format(limit, "bytes"),
    format(share(used, limit), "percent"),
    meter(`Usage of ${name}`, used, limit),
  ]);
  return table("Backends", ["Backend", "State", "Used", "Limit", "Share", "Usage"], rows);
}

/** @param {Scrape} scrape @param {import("../history.js").History} history */
function pingText(scrape, history) {
  const ms = scrape.sum("lmcache:remote_ping_latency");
  if (ms === null) return "The engine reports no pings.";
  const errors = scrape.sum("lmcache:remote_ping_errors_total") ?? 0;
  const rate = format(history.timeline.last("pingErrors"), "per second");
  const code = scrape.sum("lmcache:remote_ping_error_code");
  const last = code ? `; the last error has the code ${code}` : "";
  return `Ping ${format(ms / 1000, "seconds")}, ${format(errors, "number")} failed pings (${rate} now)${last}.`;
}

/** @param {{name: string, level: string, is_running: boolean, is_active: boolean, last_run_ago: number | null, total_runs: number, failed_runs: number}[]} threads */
function threadTable(threads) {
  if (threads.length === 0) return h("p", {}, "The engine has none.");
  const rows = threads.map((thread) => [
    thread.name,
    thread.level,
    thread.is_active ? "✔ active" : thread.is_running ? "✘ late" : "✘ stopped",
    typeof thread.last_run_ago === "number" ? `${duration(thread.last_run_ago)} ago` : "never",
    String(thread.total_runs ?? "–"),
    String(thread.failed_runs ?? "–"),
  ]);
  return table("Periodic threads", ["Thread", "Level", "State", "Last run", "Runs", "Failed"], rows);
}
