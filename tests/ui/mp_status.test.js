import assert from "node:assert/strict";
import { test } from "node:test";
import {
  adaptersOf,
  l1Of,
  mostPrefetchesOf,
  partsOf,
  prefetchPhasesOf,
  prefetchesOf,
  workersOf,
} from "../../lmcache_internal/ui/assets/mp_status.js";

const REAL = {
  is_healthy: true,
  active_prefetch_jobs: 2,
  registered_gpu_ids: [1000, 1001],
  cache_context_meta: {
    1000: { model_name: "m", world_size: 1, kv_cache_layout: { num_layers: 2, kernel_groups: [{}] } },
  },
  storage_manager: {
    is_healthy: false,
    l1_managers: {
      _default: { memory_used_bytes: 5, memory_total_bytes: 10, memory_configured_bytes: 20, total_object_count: 1 },
      fast: { memory_used_bytes: 6, memory_total_bytes: 10, memory_configured_bytes: 30, total_object_count: 2 },
    },
    l1_manager: { memory_used_bytes: 5, memory_total_bytes: 10 },
    prefetch_controller: { is_healthy: false, in_flight_request_count: 7 },
    l2_adapters: [{ is_healthy: true, type: "FSL2Adapter", base_path: "/l2" }],
    l1_usage: [11, 50],
  },
};

test("L1 is the sum of its managers; older servers have one, or a pair alone", () => {
  assert.deepEqual(l1Of(REAL), { used: 11, total: 50, objects: 3 });
  const one = { memory_used_bytes: 1, memory_total_bytes: 4, total_object_count: 2 };
  assert.deepEqual(l1Of({ storage_manager: { l1_manager: one } }), { used: 1, total: 4, objects: 2 });
  assert.deepEqual(l1Of({ storage_manager: { l1_usage: [3, 9] } }), { used: 3, total: 9, objects: null });
});

test("an adapter has the name of the configuration and whatever it reports", () => {
  const adapters = { adapters: [{ type_name: "fs" }, { type_name: "s3" }] };
  assert.deepEqual(adaptersOf(REAL, adapters), [
    { name: "fs", healthy: true, used: null, objects: null, details: "FSL2Adapter, base_path: /l2" },
    { name: "s3", healthy: null, used: null, objects: null, details: "" },
  ]);
});

test("workers without a description are listed, too", () => {
  assert.deepEqual(workersOf(REAL), [
    { id: "1000", model: "m", worldSize: "1", layout: "num_layers: 2" },
    { id: "1001", model: "–", worldSize: "–", layout: "" },
  ]);
});

test("parts report whether they are healthy", () => {
  assert.deepEqual(partsOf(REAL), [["prefetch_controller", false]].concat([["storage_manager", false]]).reverse());
  assert.equal(prefetchesOf(REAL), 2);
  assert.equal(prefetchesOf({ storage_manager: REAL.storage_manager }), 7);
});

test("prefetches are counted by phase, where the server does", () => {
  const controller = { lookup_phase_count: 1, load_phase_count: 2, pending_queue_size: 40, max_in_flight: 8 };
  const status = { storage_manager: { prefetch_controller: controller } };
  const counts = prefetchPhasesOf(status).map(([, count]) => count);
  assert.deepEqual(counts, [null, 40, 1, 2, null]);
  assert.equal(mostPrefetchesOf(status), 8);
  assert.deepEqual(prefetchPhasesOf(REAL), []);
});

test("a status of an unknown shape shows nothing, and fails nowhere", () => {
  const strange = [null, undefined, {}, [], "text", 5, { storage_manager: null }];
  strange.push({ storage_manager: { l1_managers: [], l2_adapters: {}, l1_usage: "x" }, registered_gpu_ids: 5 });
  strange.push({ cache_context_meta: { 1: null }, storage_manager: { l1_manager: null, l2_adapters: [null] } });
  for (const status of strange) {
    assert.equal(l1Of(status).used, null);
    for (const read of [workersOf, partsOf]) assert.ok(Array.isArray(read(status)));
    assert.ok(Array.isArray(adaptersOf(status, strange[0])));
    assert.equal(prefetchesOf(status), null);
    assert.equal(mostPrefetchesOf(status), null);
    assert.deepEqual(prefetchPhasesOf(status), []);
  }
});
