// The health of a rank: which checks fail, since when, and the modes of the engine.

import { ApiError } from "./client.js";
import { h, replace } from "./dom.js";
import { duration } from "./scales.js";

/** @typedef {import("./exposition.js").Scrape} Scrape */
/** @typedef {{status: string, checks: Record<string, {ok: boolean, message: string}>}} Health */

/**
 * @param {import("./client.js").Client} client
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
 * Return since when each check fails, as seen by this page.
 * @param {Map<string, number>} before - check to time, in ms
 * @param {Health} found
 * @param {number} now
 * @returns {Map<string, number>}
 */
export function failingSince(before, found, now) {
  const failing = Object.entries(found.checks ?? {}).filter(([, { ok }]) => !ok);
  return new Map(failing.map(([name]) => [name, before.get(name) ?? now]));
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
 * @param {number} since - when the status changed, in ms
 * @param {Map<string, number>} failing
 * @param {string[]} modes
 */
export function showHealth(element, found, since, failing, modes) {
  const ok = found.status === "ok";
  const word = ok ? "✔ Healthy" : `✘ ${failing.size || "Some"} failing`;
  const ago = (/** @type {number} */ time) => `for ${duration((Date.now() - time) / 1000)} as seen here`;
  const reasons = [...failing].map(([name, time]) =>
    h(
      "li",
      {},
      h("b", {}, name),
      `: ${found.checks[name].message || "no message"} `,
      h("span", { class: "quiet" }, ago(time)),
    ),
  );
  const messages = ["modes", "drain"].map((name) => found.checks?.[name]?.message).filter(Boolean);
  replace(
    element,
    h("p", { class: ok ? "badge ok" : "badge bad" }, word, h("span", { class: "quiet" }, ` ${ago(since)}`)),
    reasons.length > 0 && h("ul", {}, reasons),
    h(
      "p",
      { class: "tools" },
      modes.length > 0 ? modes.map((mode) => h("span", { class: "mode" }, `▲ ${mode}`)) : "Mode: normal",
    ),
    messages.length > 0 && h("p", { class: "quiet" }, messages.join("; ")),
  );
}
