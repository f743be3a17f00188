// What the overview shows over time, computed from one scrape to the next.

import { bucketIncrease, quantile, rate, share } from "./deltas.js";

/** @typedef {import("./exposition.js").Scrape} Scrape */
/** @typedef {import("./exposition.js").Sample} Sample */

const LENGTH = 450; // 15 minutes at a poll every 2 s.
const LATENCY_SCRAPES = 15; // Quantiles cover 30 s, because single polls see few calls.

const LATENCIES = {
  retrieve: "lmcache:time_to_retrieve",
  store: "lmcache:time_to_store",
  lookup: "lmcache:time_to_lookup",
};

/** The names of the families that the overview reads: a scrape is asked for these alone. */
export const FAMILIES = [
  "lmcache:num_requested_tokens",
  "lmcache:num_hit_tokens",
  "lmcache:num_stored_tokens",
  "lmcache:local_cache_usage",
  "lmcache:local_storage_usage",
  "lmcache:local_cpu_evict_count",
  "lmcache:get_blocking_failed_count",
  "lmcache:put_failed_count",
  "lmcache:remote_ping_latency",
  "lmcache:remote_ping_errors",
  "process_start_time_seconds",
  "lmcache_internal:stuck_calls",
  ...Object.values(LATENCIES),
];

export class History {
  constructor() {
    /** @type {number[]} */
    this.times = [];
    /** @type {Record<string, (number | null)[]>} */
    this.values = {};
    /** @type {Scrape[]} */
    this.scrapes = [];
  }

  /** @param {Scrape} scrape */
  add(scrape) {
    const before = this.scrapes.at(-1);
    this.scrapes = [...this.scrapes, scrape].slice(-LATENCY_SCRAPES);
    if (before === undefined) return;
    this.times = [...this.times, scrape.time].slice(-LENGTH);
    for (const [name, value] of Object.entries(this.derived(before, scrape))) {
      const known = this.values[name] ?? Array(this.times.length - 1).fill(null);
      this.values[name] = [...known, value].slice(-LENGTH);
    }
  }

  /**
   * @param {Scrape} before
   * @param {Scrape} now
   * @returns {Record<string, number | null>}
   */
  derived(before, now) {
    const oldest = this.scrapes[0];
    /** @type {Record<string, number | null>} */
    const found = {
      hitRate: share(before, now, "lmcache:num_hit_tokens_total", "lmcache:num_requested_tokens_total"),
      requested: rate(before, now, "lmcache:num_requested_tokens_total"),
      hit: rate(before, now, "lmcache:num_hit_tokens_total"),
      stored: rate(before, now, "lmcache:num_stored_tokens_total"),
      memory: now.sum("lmcache:local_cache_usage"),
      disk: now.sum("lmcache:local_storage_usage"),
      evictions: rate(before, now, "lmcache:local_cpu_evict_count_total"),
      getFailures: rate(before, now, "lmcache:get_blocking_failed_count"),
      putFailures: rate(before, now, "lmcache:put_failed_count"),
    };
    for (const [call, name] of Object.entries(LATENCIES)) {
      const buckets = bucketIncrease(oldest.buckets(name), now.buckets(name));
      found[`${call}50`] = quantile(0.5, buckets);
      found[`${call}95`] = quantile(0.95, buckets);
    }
    return found;
  }

  /**
   * @param {string} name
   * @returns {number | null}
   */
  last(name) {
    return this.values[name]?.at(-1) ?? null;
  }

  /**
   * @param {string} label
   * @param {string} key
   */
  series(label, key) {
    return { name: label, values: this.values[key] ?? this.times.map(() => null) };
  }
}
