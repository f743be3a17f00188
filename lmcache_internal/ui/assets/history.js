// What the overview shows over time, computed from one scrape to the next.

import { bucketIncrease, increase, perSecond, quantile, share } from "./deltas.js";
import { Readings } from "./readings.js";
import { Timeline } from "./timeline.js";

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

/** The start of the process, after which counters begin at 0. */
export const STARTED = "process_start_time_seconds";

export class History {
  constructor() {
    this.timeline = new Timeline();
    /** @type {Readings<Scrape>} */
    this.readings = new Readings();
  }

  /** @param {Scrape} scrape */
  add(scrape) {
    const isFirst = this.readings.last === undefined;
    if (!this.readings.add(scrape.time, scrape, scrape.sum(STARTED)) || isFirst) return;
    this.timeline.add(scrape.time, valuesOf(this.readings));
  }

  /** The latest scrape. */
  get scrape() {
    return this.readings.last?.value;
  }
}

/**
 * Return what the charts show at the time of the last reading.
 * @param {Readings<Scrape>} readings
 */
function valuesOf(readings) {
  const [now, oldest, base] = [readings.last, readings.oldest, readings.base].map((reading) => reading?.value);
  /** @type {Record<string, number | null>} */
  const found = {};
  if (!now || !oldest) return found;
  /** @param {Scrape} before @param {string[]} names */
  const grown = (before, names) => increase(before.sum(counterOf(now, names)), now.sum(counterOf(now, names)));
  found.hitRate = share(grown(oldest, COUNTERS.hit), grown(oldest, COUNTERS.requested));
  for (const [key, names] of Object.entries(COUNTERS))
    found[key] = base ? perSecond(grown(base, names), now.time - base.time) : null;
  for (const [key, names] of Object.entries(GAUGES)) found[key] = now.sum(present(now, names));
  for (const [call, name] of Object.entries(LATENCIES)) {
    const buckets = bucketIncrease(oldest.buckets(name), now.buckets(name));
    found[`${call}50`] = quantile(0.5, buckets);
    found[`${call}95`] = quantile(0.95, buckets);
  }
  return found;
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
