// The storage backends of an engine: usage against the limit.

import { GIB } from "./scales.js";

/** @type {Record<string, {metric: string, limit: string}>} */
const KNOWN = {
  LocalCPUBackend: { metric: "lmcache:local_cache_usage", limit: "max_local_cpu_size" },
  LocalDiskBackend: { metric: "lmcache:local_storage_usage", limit: "max_local_disk_size" },
};

/** The settings with the limits, in GiB. */
export const LIMITS = Object.values(KNOWN).map(({ limit }) => limit);

/**
 * Return the usage of each backend. A backend that reports none has null.
 * @param {Scrape} scrape
 * @param {Record<string, unknown>} config - the values of `LIMITS`
 * @returns {Usage[]}
 */
export function usagesOf(scrape, config) {
  return (scrape.samples.get("lmcache_internal:backend_bypassed") ?? []).map(({ labels: { backend }, value }) => {
    const known = KNOWN[backend];
    const size = known && config[known.limit];
    return {
      name: backend,
      state: value > 0 ? "bypassed" : "in use",
      used: known ? scrape.sum(known.metric) : null,
      limit: typeof size === "number" && size > 0 ? size * GIB : null,
    };
  });
}
