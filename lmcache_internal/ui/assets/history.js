// What the overview shows over time, computed from one scrape to the next.

import { bucketIncrease, quantile, rate, share } from "./deltas.js";

/** @typedef {import("./exposition.js").Scrape} Scrape */
/** @typedef {import("./exposition.js").Sample} Sample */

const LENGTH = 450; // 15 minutes at a poll every 2 s.
const SHORTEST_MS = 1000; // A rate over less time is noise.
const LATENCY_SCRAPES = 15; // Quantiles cover 30 s, because single polls see few calls.

const LATENCIES = {
  retrieve: "lmcache:time_to_retrieve",
  store: "lmcache:time_to_store",
  lookup: "lmcache:time_to_lookup",
};

/** What counts each value: of an engine in the process of vLLM, or of an MP server. @type {Record<string, string[]>} */
const COUNTERS = {
  requested: ["lmcache:num_requested_tokens", "lmcache_mp_lookup_requested_tokens"],
  hit: ["lmcache:num_hit_tokens", "lmcache_mp_lookup_hit_tokens"],
  stored: ["lmcache:num_stored_tokens"],
  evictions: ["lmcache:local_cpu_evict_count", "lmcache_mp_l1_evicted_chunks"],
  getFailures: ["lmcache:get_blocking_failed_count", "lmcache_mp_l2_prefetch_failure_chunks"],
  putFailures: ["lmcache:put_failed_count", "lmcache_mp_l1_allocation_failure_chunks"],
  pings: ["lmcache:remote_ping_successes"],
  pingErrors: ["lmcache:remote_ping_errors"],
};

/** @type {Record<string, string[]>} */
const GAUGES = {
  memory: ["lmcache:local_cache_usage", "lmcache_mp_l1_memory_usage_bytes"],
  disk: ["lmcache:local_storage_usage", "lmcache_mp_l2_usage_bytes"],
};

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
    if (before && scrape.time - before.time < SHORTEST_MS) return;
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
    const [hit, requested] = [COUNTERS.hit, COUNTERS.requested].map((names) => counterOf(now, names));
    /** @type {Record<string, number | null>} */
    const found = { hitRate: share(before, now, hit, requested) };
    for (const [key, names] of Object.entries(COUNTERS)) found[key] = rate(before, now, counterOf(now, names));
    for (const [key, names] of Object.entries(GAUGES)) found[key] = now.sum(present(now, names));
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

/**
 * Return the first of some names that a scrape has.
 * @param {Scrape} scrape
 * @param {string[]} names
 */
function present(scrape, names) {
  return names.find((name) => scrape.samples.has(name)) ?? names[0];
}

/**
 * Return the sample of a counter. LMCache exports some counts as gauges, which have no `_total`.
 * @param {Scrape} scrape
 * @param {string[]} families
 */
function counterOf(scrape, families) {
  return present(
    scrape,
    families.flatMap((family) => [`${family}_total`, family]),
  );
}
