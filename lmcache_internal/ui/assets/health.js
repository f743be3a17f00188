// The health of a rank: which checks fail, since when, and the modes of the engine.

import { ApiError } from "./client.js";
import { h, replace } from "./dom.js";
import { duration } from "./scales.js";
import { timed } from "./texts.js";

/** The checks that fail no /healthz. */
const NOTICES = ["modes", "drain"];

/**
 * @param {Client} client
 * @returns {Promise<Health>}
 */
export async function readHealth(client) {
  try {
    return await client.json("/healthz");
  } catch (error) {
    if (error instanceof ApiError && error.body?.checks) return error.body; // A 503 has the same body.
    throw error;
  }
}

/**
 * Return since when the rank is healthy, or at least one check fails; in ms since the epoch, NaN if it is unknown.
 * @param {Health} found
 */
export function statusSince({ status, checks }) {
  const times = (/** @type {boolean} */ ok) =>
    Object.entries(checks)
      .filter(([name, check]) => check.ok === ok && !NOTICES.includes(name))
      .map(([, { since }]) => Date.parse(since));
  return status === "ok" ? Math.max(...times(true)) : Math.min(...times(false));
}

/**
 * Return the modes of the engine that are not the usual ones.
 * @param {Scrape} scrape
 * @returns {string[]}
 */
export function modesOf(scrape) {
  const bypassed = (scrape.samples.get("lmcache_internal:backend_bypassed") ?? []).filter(({ value }) => value > 0);
  return [
    scrape.sum("lmcache_internal:frozen") ? "Frozen: nothing is stored" : "",
    scrape.sum("lmcache_internal:hot_cache_enabled") === 0 ? "Hot cache off" : "",
    ...bypassed.map(({ labels }) => `${labels.backend} bypassed`),
    scrape.sum("lmcache_internal:drained") ? "Drained: /readyz fails" : "",
  ].filter(Boolean);
}

/**
 * @param {HTMLElement} element
 * @param {Health} found
 * @param {string[]} modes
 */
export function showHealth(element, found, modes) {
  const ok = found.status === "ok";
  const failing = Object.entries(found.checks).filter(([, check]) => !check.ok);
  const word = ok ? "✔ Healthy" : `✘ ${failing.length || "Some"} failing`;
  const reasons = failing.map(([name, { message, since }]) =>
    h("li", {}, h("b", {}, name), `: ${timed(message || "no message")} `, ago(Date.parse(since))),
  );
  const messages = NOTICES.map((name) => found.checks[name]?.message).filter(Boolean);
  const shown = modes.map((mode) => h("span", { class: "mode" }, `▲ ${mode}`));
  replace(
    element,
    h("p", { class: ok ? "badge ok" : "badge bad" }, word, " ", ago(statusSince(found))),
    reasons.length > 0 && h("ul", {}, reasons),
    h("p", { class: "tools" }, shown.length > 0 ? shown : "Mode: normal"),
    messages.length > 0 && h("p", { class: "quiet" }, timed(messages.join("; "))),
  );
}

/** @param {number} time - in ms since the epoch; NaN if it is unknown, as with older servers */
function ago(time) {
  const title = Number.isFinite(time) && new Date(time).toISOString();
  return title && h("time", { class: "quiet", datetime: title }, `for ${duration((Date.now() - time) / 1000)}`);
}
