import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf } from "../../lmcache_internal/ui/assets/changes.js";
import { drainChange } from "../../lmcache_internal/ui/assets/controls.js";
import { Scrape, parse } from "../../lmcache_internal/ui/assets/exposition.js";
import { failingSince, modesOf } from "../../lmcache_internal/ui/assets/health.js";
import { History } from "../../lmcache_internal/ui/assets/history.js";
import { Slow } from "../../lmcache_internal/ui/assets/slow.js";
import { usagesOf } from "../../lmcache_internal/ui/assets/usage.js";
import { explainRequest } from "../../lmcache_internal/ui/assets/views/cache.js";
import { clearChange } from "../../lmcache_internal/ui/assets/views/cache_clear.js";
import { startValues } from "../../lmcache_internal/ui/assets/views/configuration.js";
import { byReason } from "../../lmcache_internal/ui/assets/views/doctor.js";
import { quotaChange } from "../../lmcache_internal/ui/assets/views/mp_quotas.js";

const scrape = (text, time = 0) => new Scrape(parse(text), time);

test("a check fails since it was first seen failing, and starts again after it was ok", () => {
  const health = (ok) => ({ status: "", checks: { disk: { ok, message: "" }, memory: { ok: true, message: "" } } });
  let failing = failingSince(new Map(), health(false), 1);
  failing = failingSince(failing, health(false), 2);
  assert.deepEqual([...failing], [["disk", 1]]);
  failing = failingSince(failing, health(true), 3);
  assert.deepEqual([...failing], []);
  assert.deepEqual([...failingSince(failing, health(false), 4)], [["disk", 4]]);
});

test("modes are read from gauges; a gauge that is absent is no mode", () => {
  assert.deepEqual(modesOf(scrape("")), []);
  const text = [
    "lmcache_internal:frozen 1",
    "lmcache_internal:hot_cache_enabled 0",
    'lmcache_internal:backend_bypassed{backend="A"} 1',
    'lmcache_internal:backend_bypassed{backend="B"} 0',
    "lmcache_internal:drained 1",
  ].join("\n");
  assert.deepEqual(modesOf(scrape(text)), [
    "Frozen: nothing is stored",
    "Hot cache off",
    "A bypassed",
    "Drained: /readyz fails",
  ]);
});

test("changes leave out reads, refusals and what is a revision of the configuration", () => {
  const entry = (method, path, status = 200) => ({ time: "2026-11-29T12:00:00Z", method, path, status, caller: "bob" });
  const audit = [
    entry("PUT", "/freeze/enable"),
    entry("PUT", "/freeze/enable", 403),
    entry("POST", "/cache/explain"),
    entry("POST", "/conf"),
    entry("GET", "/env"),
  ];
  const revision = {
    number: 1,
    time: "2026-11-29T11:00:00Z",
    changes: { a: { old: 1, new: 2 } },
    rollback: false,
  };
  assert.deepEqual(
    changesOf(audit, [revision]).map(({ label }) => label),
    ["Configuration revision 1: a: 1 → 2", "PUT /freeze/enable by bob"],
  );
});

test("a slow value is loaded again when it is old or its key changes, and after a failure", async () => {
  let loads = 0;
  const slow = new Slow(async () => {
    loads += 1;
    if (loads === 3) throw new Error("down");
    return loads;
  }, 100);
  assert.equal(await slow.get("a", 0), 1);
  assert.equal(await slow.get("a", 99), 1);
  assert.equal(await slow.get("b", 99), 2);
  await assert.rejects(slow.get("b", 199));
  assert.equal(await slow.get("b", 199), 4);
});

test("the usage of a backend has a limit only where it is known", () => {
  const text = [
    'lmcache_internal:backend_bypassed{backend="LocalCPUBackend"} 0',
    'lmcache_internal:backend_bypassed{backend="RemoteBackend"} 1',
    "lmcache:local_cache_usage 512",
  ].join("\n");
  assert.deepEqual(usagesOf(scrape(text), { max_local_cpu_size: 2 }), [
    { name: "LocalCPUBackend", state: "in use", used: 512, limit: 2 * 1024 ** 3 },
    { name: "RemoteBackend", state: "bypassed", used: null, limit: null },
  ]);
  assert.equal(usagesOf(scrape(text), {})[0].limit, null);
});

test("the history reads the counters of both kinds of engines", () => {
  for (const [requested, hit] of [
    ["lmcache:num_requested_tokens", "lmcache:num_hit_tokens"],
    ["lmcache_mp_lookup_requested_tokens", "lmcache_mp_lookup_hit_tokens"],
  ]) {
    const history = new History();
    history.add(scrape(`${requested}_total 0\n${hit}_total 0`, 1000));
    history.add(scrape(`${requested}_total 100\n${hit}_total 25`, 2000));
    assert.equal(history.last("hitRate"), 0.25);
    assert.equal(history.last("requested"), 100);
  }
});

test("a range of tokens is a parameter, anything else a list", () => {
  assert.deepEqual(explainRequest(" 0, 1024 "), { path: "/cache/explain?tokens_mock=0%2C1024" });
  assert.deepEqual(explainRequest("0:5"), { path: "/cache/explain?tokens_mock=0%3A5" });
  assert.deepEqual(explainRequest("[1, 2,\n3]").body, { tokens: [1, 2, 3] });
  assert.deepEqual(explainRequest("1,2,3").body, { tokens: [1, 2, 3] });
  assert.deepEqual(explainRequest("").body, { tokens: [] });
});

test("a clear names the backend; an MP server clears L1", () => {
  assert.equal(clearChange("A&B", "", false).path, "/cache/clear?locations=A%26B");
  assert.deepEqual(clearChange("L1", "", true).body, { tier: "l1" });
  assert.equal(clearChange("L1", "", true).command, undefined);
});

test("a setting differs from the file if its value is not that of the start", () => {
  const change = (name, old, to) => ({ changes: { [name]: { old, new: to } } });
  const revisions = [change("a", 0, 1), change("a", 1, 2), change("b", 5, 6), change("b", 6, 5)];
  const settings = { a: { value: 2 }, b: { value: 5 } };
  assert.deepEqual([...startValues(revisions, settings)], [["a", 0]]);
  assert.deepEqual([...startValues([], settings)], []);
});

test("rules that did not run are listed by reason", () => {
  const skipped = [
    { code: "a", why: "x" },
    { code: "b", why: "y" },
    { code: "c", why: "x" },
  ];
  assert.deepEqual(
    [...byReason(skipped)],
    [
      ["x", ["a", "c"]],
      ["y", ["b"]],
    ],
  );
});

test("the limit of a quota is a number, or what the server refuses", () => {
  assert.deepEqual(quotaChange("", "0,5").body, { limit_gb: 0.5 });
  assert.equal(quotaChange("", "1").path, "/quota/_default");
  assert.equal(quotaChange("a/b", "1").path, "/quota/a%2Fb");
  assert.deepEqual(quotaChange("a", "much").body, { limit_gb: "much" });
  assert.deepEqual(quotaChange("a", " ").body, { limit_gb: " " });
});

test("a drain without an end has no seconds", () => {
  assert.equal(drainChange("", 0).path, "/admin/drain");
  assert.equal(drainChange("a b", 60).path, "/admin/drain?reason=a+b&seconds=60");
  assert.deepEqual(drainChange("a b", NaN).command, ["drain", "--reason", "a b"]);
});

test("scrapes in quick succession are one, so that a rate is no noise", () => {
  const history = new History();
  for (const [time, count] of [
    [1000, 0],
    [1100, 50],
    [3000, 60],
  ])
    history.add(scrape(`lmcache:num_requested_tokens_total ${count}`, time));
  assert.deepEqual(history.values.requested, [30]);
});

test("a count that is exported as a gauge is a counter, too", () => {
  for (const suffix of ["", "_total"]) {
    const history = new History();
    history.add(scrape(`lmcache:put_failed_count${suffix} 2`, 1000));
    history.add(scrape(`lmcache:put_failed_count${suffix} 6`, 3000));
    assert.equal(history.last("putFailures"), 2);
  }
});
