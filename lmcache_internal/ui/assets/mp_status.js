// Reads GET /status of an MP server. Its parts differ between versions of LMCache, so each part may be missing.

import { shownValue } from "./values.js";

/**
 * Return the usage of L1, in bytes and objects.
 * @param {any} status
 * @returns {Tier}
 */
export function l1Of(status) {
  const storage = status?.storage_manager ?? {};
  const managers = Object.values(storage.l1_managers ?? {});
  const all = managers.length > 0 ? managers : [storage.l1_manager ?? {}];
  const [used, total] = Array.isArray(storage.l1_usage) ? storage.l1_usage : [];
  return {
    used: totalOf(all, "memory_used_bytes") ?? numberOf(used),
    total: totalOf(all, "memory_configured_bytes") ?? totalOf(all, "memory_total_bytes") ?? numberOf(total),
    objects: totalOf(all, "total_object_count"),
  };
}

/**
 * Return the L2 adapters, from /status and, for their names, from /config/adapters.
 * @param {any} status
 * @param {any} adapters
 * @returns {Adapter[]}
 */
export function adaptersOf(status, adapters) {
  const reports = listOf(status?.storage_manager?.l2_adapters);
  const named = listOf(adapters?.adapters);
  return Array.from({ length: Math.max(reports.length, named.length) }, (_, index) => {
    const {
      is_healthy: healthy,
      type,
      stored_bytes: bytes,
      stored_object_count: objects,
      ...rest
    } = reports[index] ?? {};
    return {
      name: String(named[index]?.type_name ?? type ?? index),
      healthy: typeof healthy === "boolean" ? healthy : null,
      used: numberOf(bytes),
      objects: numberOf(objects),
      details: [type, ...Object.entries(rest).map(([name, value]) => `${name}: ${shownValue(value)}`)]
        .filter(Boolean)
        .join(", "),
    };
  });
}

/**
 * Return the registered workers.
 * @param {any} status
 * @returns {MPWorker[]}
 */
export function workersOf(status) {
  const described = Object.entries(status?.cache_context_meta ?? {});
  const known = new Set(described.map(([id]) => id));
  const bare = listOf(status?.registered_gpu_ids)
    .map(String)
    .filter((id) => !known.has(id));
  return [...described, ...bare.map((id) => [id, {}])].map(([id, worker]) => ({
    id: String(id),
    model: String(worker?.model_name ?? "–"),
    worldSize: String(worker?.world_size ?? "–"),
    layout: Object.entries(worker?.kv_cache_layout ?? {})
      .filter(([, value]) => typeof value !== "object")
      .map(([name, value]) => `${name}: ${value}`)
      .join(", "),
  }));
}

/**
 * Return the controllers and other parts that report whether they are healthy, by name.
 * @param {any} status
 * @returns {[string, boolean][]}
 */
export function partsOf(status) {
  const parts = Object.entries({ ...status, ...status?.storage_manager });
  return parts
    .filter(([, part]) => typeof part?.is_healthy === "boolean")
    .map(([name, part]) => [name, part.is_healthy]);
}

/**
 * Return the number of prefetches that run; null if the server does not report it.
 * @param {any} status
 */
export function prefetchesOf(status) {
  return (
    numberOf(status?.active_prefetch_jobs) ??
    numberOf(status?.storage_manager?.prefetch_controller?.in_flight_request_count)
  );
}

/** What the prefetch controller counts, in the order in which a prefetch passes it. @type {[string, string][]} */
const PHASES = [
  ["Submitted", "submission_queue_size"],
  ["Waiting for a slot", "pending_queue_size"],
  ["Looking up objects in L2", "lookup_phase_count"],
  ["Loading objects into L1", "load_phase_count"],
  ["Completed, result not read yet", "completed_results_count"],
];

/**
 * Return the number of prefetches in each phase; empty if the server does not report phases.
 * @param {any} status
 * @returns {[string, number | null][]}
 */
export function prefetchPhasesOf(status) {
  const controller = status?.storage_manager?.prefetch_controller;
  const phases = PHASES.map(
    ([title, name]) => /** @type {[string, number | null]} */ ([title, numberOf(controller?.[name])]),
  );
  return phases.some(([, count]) => count !== null) ? phases : [];
}

/**
 * Return the most prefetches that run at the same time; null if the server does not report it.
 * @param {any} status
 */
export function mostPrefetchesOf(status) {
  return numberOf(status?.storage_manager?.prefetch_controller?.max_in_flight);
}

/** @param {any[]} parts @param {string} name */
function totalOf(parts, name) {
  const values = parts.map((part) => numberOf(part?.[name])).filter((value) => value !== null);
  return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) : null;
}

/** @param {unknown} value */
function numberOf(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** @param {unknown} value @returns {any[]} */
function listOf(value) {
  return Array.isArray(value) ? value : [];
}
