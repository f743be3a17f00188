import assert from "node:assert/strict";
import { test } from "node:test";
import { cached } from "../../lmcache_internal/ui/assets/cached.js";
import { changesOf } from "../../lmcache_internal/ui/assets/changes.js";
import { drainChange } from "../../lmcache_internal/ui/assets/controls.js";
import { tokensOf } from "../../lmcache_internal/ui/assets/explanation.js";
import { Scrape, parse } from "../../lmcache_internal/ui/assets/exposition.js";
import { modesOf, statusSince } from "../../lmcache_internal/ui/assets/health.js";
import { History } from "../../lmcache_internal/ui/assets/history.js";
import { usagesOf } from "../../lmcache_internal/ui/assets/usage.js";
import { clearChange } from "../../lmcache_internal/ui/assets/views/cache_clear.js";
import { startValues } from "../../lmcache_internal/ui/assets/views/configuration.js";
import { byReason } from "../../lmcache_internal/ui/assets/views/doctor.js";
import { quotaChange } from "../../lmcache_internal/ui/assets/views/mp_quotas.js";

const scrape = (text, time = 0) => new Scrape(parse(text), time);

test("a rank is healthy since its last check was, and fails since its first one did; modes and drain do neither", () => {
  const check = (ok, minute) => ({ ok, message: "", since: `2026-11-29T12:0${minute}:00+00:00` });
  const since = (status, checks) => new Date(statusSince({ status, checks })).getUTCMinutes();
  assert.equal(since("ok", { a: check(true, 1), b: check(true, 2), modes: check(true, 5), drain: check(true, 6) }), 2);
  assert.equal(since("failed", { a: check(false, 3), b: check(false, 4), c: check(true, 1) }), 3);
  assert.ok(Number.isNaN(statusSince({ status: "ok", checks: { a: { ok: true, message: "" } } })));
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
    { ...entry("PUT", "/loglevel"), arguments: { level: "INFO", dry_run: "true" } },
    { ...entry("PUT", "/loglevel"), arguments: { level: "INFO", dry_run: "false" } },
  ];
  const revision = {
    number: 1,
    time: "2026-11-29T11:00:00Z",
    changes: { a: { old: 1, new: 2 } },
    rollback: false,
  };
  assert.deepEqual(
    changesOf(audit, [revision]).map(({ label }) => label),
    [
      "Configuration revision 1: a: 1 → 2",
      "PUT /freeze/enable by bob",
      "PUT /loglevel (level=INFO, dry_run=false) by bob",
    ],
  );
});

test("a cached value is loaded again when it is old or its key changes, and after a failure", async () => {
  let loads = 0;
  const read = cached(async () => {
    loads += 1;
    if (loads === 3) throw new Error("down");
    return loads;
  }, 100);
  assert.equal(await read("a", 0), 1);
  assert.equal(await read("a", 99), 1);
  assert.equal(await read("b", 99), 2);
  await assert.rejects(read("b", 199));
  assert.equal(await read("b", 199), 4);
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
    history.add(scrape(`${requested}_total 0\n${hit}_total 0`, 0));
    history.add(scrape(`${requested}_total 100\n${hit}_total 25`, 10_000));
    assert.equal(history.timeline.last("hitRate"), 0.25);
    assert.equal(history.timeline.last("requested"), 10);
  }
});

test("tokens are a range or a list", () => {
  assert.deepEqual(tokensOf(" 0, 1024 "), { range: "0,1024" });
  assert.deepEqual(tokensOf("0:5"), { range: "0:5" });
  assert.deepEqual(tokensOf("[1, 2,\n3]"), { tokens: [1, 2, 3] });
  assert.deepEqual(tokensOf("1,2,3"), { tokens: [1, 2, 3] });
  assert.deepEqual(tokensOf(""), { tokens: [] });
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

test("a drain without an end has no seconds; minutes that are no number are not left out: the server refuses them", () => {
  assert.equal(drainChange("", "").path, "/admin/drain");
  assert.equal(drainChange("a b", "1").path, "/admin/drain?reason=a+b&seconds=60");
  assert.deepEqual(drainChange("a b", "").command, ["drain", "--reason", "a b"]);
  assert.equal(drainChange("", "10m").path, "/admin/drain?seconds=10m");
  assert.equal(drainChange("", "0").path, "/admin/drain?seconds=0");
});

test("scrapes in quick succession are one, so that a rate is no noise", () => {
  const history = new History();
  for (const [time, count] of [
    [0, 0],
    [100, 50],
    [10_000, 600],
  ])
    history.add(scrape(`lmcache:num_requested_tokens_total ${count}`, time));
  assert.deepEqual(history.timeline.values("requested"), [60]);
});

test("a count that is exported as a gauge is a counter, too", () => {
  for (const suffix of ["", "_total"]) {
    const history = new History();
    history.add(scrape(`lmcache:put_failed_count${suffix} 2`, 0));
    history.add(scrape(`lmcache:put_failed_count${suffix} 22`, 10_000));
    assert.equal(history.timeline.last("putFailures"), 2);
  }
});

/** The history of polls every 2 s; `count` is the counter of requested tokens at a time, in s. */
function polled(seconds, count, started = () => 1) {
  const history = new History();
  for (let time = 0; time <= seconds; time += 2) {
    const text = `process_start_time_seconds ${started(time)}\nlmcache:num_requested_tokens_total ${count(time)}`;
    history.add(scrape(`${text}\nlmcache:num_hit_tokens_total ${count(time) / 2}`, time * 1000));
  }
  return history;
}

test("constant traffic has a constant rate, also if the engine updates its counters every 10 s", () => {
  for (let phase = 0; phase < 10; phase += 1) {
    const counted = (time) => 10 * Math.floor((time + phase) / 10);
    const { timeline } = polled(120, (time) => 100 * counted(time));
    const requested = timeline.values("requested");
    assert.deepEqual([requested.slice(0, 4), [...new Set(requested.slice(4))]], [Array(4).fill(null), [100]]);
    assert.deepEqual([...new Set(timeline.values("hitRate").slice(5))], [0.5], `phase ${phase}`);
  }
  assert.deepEqual([...new Set(polled(60, (time) => 100 * time).timeline.values("requested"))], [null, 100]);
});

test("30 s after the end of the traffic, there is none", () => {
  const history = polled(60, (time) => 100 * Math.min(time, 20));
  assert.equal(history.timeline.last("requested"), 0);
  assert.equal(history.timeline.last("hitRate"), null);
});

test("after a restart, values begin again, and none is negative", () => {
  const history = polled(
    60,
    (time) => 100 * (time % 30),
    (time) => Math.floor(time / 30),
  );
  assert.equal(history.timeline.times.length, 30);
  assert.ok(history.timeline.values("requested").every((value) => value === null || value === 100));
  assert.equal(history.timeline.last("requested"), null);
});

test("polls that are minutes apart have rates, too", () => {
  const history = new History();
  for (const minute of [0, 2, 4])
    history.add(scrape(`lmcache:num_requested_tokens_total ${minute * 60}`, minute * 60_000));
  assert.deepEqual(history.timeline.values("requested"), [1, 1]);
});
