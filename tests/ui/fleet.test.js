import assert from "node:assert/strict";
import { test } from "node:test";
import { stepFor } from "../../lmcache_internal/ui/assets/fleet/charts.js";
import { FleetHistory, figuresOf } from "../../lmcache_internal/ui/assets/fleet/history.js";
import { rangesOf } from "../../lmcache_internal/ui/assets/fleet/ranges.js";
import { groupsOf, sorted, stateOf, summaryOf, textsOf } from "../../lmcache_internal/ui/assets/fleet/rows.js";
import { valuesIn } from "../../lmcache_internal/ui/assets/fleet/search.js";
import { FleetState } from "../../lmcache_internal/ui/assets/fleet/state.js";
import { Readings } from "../../lmcache_internal/ui/assets/readings.js";

const row = (number, more = {}) => ({
  number,
  name: `worker ${number}`,
  address: `http://h${number % 2}:${number}`,
  host: `h${number % 2}`,
  error: null,
  age: 0,
  kind: "in-process",
  version: "1",
  model: "m",
  role: "admin",
  health: "ok",
  ...more,
});

/** The figures of a rank after two polls that are some seconds apart. */
function figures(before, now, seconds) {
  const readings = new Readings();
  readings.add(0, before);
  readings.add(seconds * 1000, now);
  return figuresOf(readings);
}

test("rates are per second, and there is no hit rate without traffic", () => {
  const before = row(1, { hit: 10, requested: 100, stored: 5, usage: 1 });
  const now = row(1, { hit: 60, requested: 600, stored: 5, usage: 2 });
  assert.deepEqual(figures(before, now, 10), { hitRate: 0.1, requested: 50, stored: 0, usage: 2 });
  assert.equal(figures(now, now, 10).hitRate, null);
  assert.deepEqual(figures(before, now, 2), { hitRate: 0.1, requested: null, stored: null, usage: 2 });
  assert.deepEqual(figures(before, now, 0), { hitRate: null, requested: null, stored: null, usage: 1 });
});

test("a scheduler has the hit rate of its lookups; a rank without counters has none", () => {
  const before = row(0, { found: 0, looked_up: 0 });
  assert.equal(figures(before, row(0, { found: 3, looked_up: 4 }), 1).hitRate, 0.75);
  assert.deepEqual(figures(row(0), row(0), 10), { hitRate: null, requested: null, stored: null, usage: null });
});

test("the hit rate of the fleet is that of its tokens, not the mean of its ranks", () => {
  const history = new FleetHistory();
  history.add([row(1, { hit: 0, requested: 0 }), row(2, { hit: 0, requested: 0 })], 0);
  history.add([row(1, { hit: 90, requested: 100 }), row(2, { hit: 0, requested: 900 })], 10_000);
  assert.equal(history.total.hitRate, 0.09);
  assert.equal(history.total.requested, 100);
});

/** The history of polls every 2 s of an engine that updates its counters every 10 s; it gets 100 tokens per second. */
function polled(seconds, phase = 0) {
  const history = new FleetHistory();
  for (let second = 0; second <= seconds; second += 2) {
    const requested = Math.floor((second + phase) / 10) * 1000;
    history.add([row(1, { requested, hit: requested / 4 })], second * 1000);
  }
  return history;
}

test("constant traffic has a constant rate from the first one on, after 10 s", () => {
  for (let phase = 0; phase < 10; phase += 1) {
    const history = polled(120, phase);
    const rates = history.line(1, "requested");
    assert.deepEqual([rates.slice(0, 5), [...new Set(rates.slice(5))]], [Array(5).fill(null), [100]], `phase ${phase}`);
    assert.equal(history.total.hitRate, 0.25);
  }
});

test("after a restart, rates begin again", () => {
  const history = polled(120);
  history.add([row(1, { requested: 50, started: 99 })], 122_000);
  assert.equal(history.total.requested, null);
  history.add([row(1, { requested: 1050, started: 99 })], 132_000);
  assert.equal(history.total.requested, 100);
});

test("a rank that is down has a gap, and its rate afterwards is over the whole time", () => {
  const history = new FleetHistory();
  history.add([row(1, { requested: 0 })], 0);
  history.add([row(1, { error: "down", age: 2, requested: 0 })], 2000);
  history.add([row(1, { requested: 1000 })], 10_000);
  assert.deepEqual(history.line(1, "requested"), [null, null, 100]);
  assert.deepEqual(history.line("sum", "requested"), [null, null, 100]);
});

test("figures that a poll shows again are one reading", () => {
  const history = new FleetHistory();
  for (const age of [0, 2, 4]) history.add([row(1, { requested: 0, age })], age * 1000);
  assert.equal(history.readings.get(1).kept.length, 1);
});

test("a rank that leaves and returns begins again", () => {
  const history = new FleetHistory();
  for (const [index, rows] of [[row(1, { usage: 1 }), row(2)], [row(2)], [row(1, { usage: 3 }), row(2)]].entries())
    history.add(rows, index * 2000);
  assert.deepEqual(history.line(1, "usage"), [null, null, 3]);
  history.add([row(2)], 8000);
  assert.deepEqual([[...history.readings.keys()], history.timeline.lines.size], [[2], 8]);
});

test("a chosen rank that is no longer listed stays chosen", () => {
  const state = new FleetState();
  state.add({ ranks: [row(1), row(2)], time: 0, problem: null });
  state.chosen.add(1);
  state.add({ ranks: [row(2)], time: 1, problem: null });
  assert.deepEqual(state.numbers, [1]);
  assert.equal(state.scope, "1 chosen rank (1; no longer listed: 1)");
});

test("a role that does not allow a change is named with its ranks", () => {
  const state = new FleetState();
  const at = (number, role, needs) => row(number, { role, needs });
  const add = (...ranks) => state.add({ ranks, time: 0, problem: null });
  add(at(0, "admin", {}), row(1), row(2, { error: "down", role: "" }));
  assert.equal(state.refusal("configuration"), "");
  const viewer = { configuration: "admin", loglevels: "operator" };
  add(at(0, "admin", {}), at(1, "viewer", viewer), at(2, "operator", { configuration: "admin" }));
  assert.equal(
    state.refusal("configuration"),
    "needs role admin; 1 of 3 ranks grants operator, 1 of 3 ranks grants viewer",
  );
  assert.equal(state.refusal("loglevels"), "needs role operator; 1 of 3 ranks grants viewer");
  state.chosen.add(2);
  assert.equal(state.refusal("configuration"), "needs role admin; 1 of 1 rank grants operator");
  assert.equal(state.refusal("loglevels"), "");
});

test("ranges are written as --index takes them", () => {
  assert.equal(rangesOf([4, 0, 2, 3, 3]), "0,2-4");
  assert.equal(rangesOf([]), "");
});

test("the worst health and the largest numbers are first; ranks without a value are last in both directions", () => {
  const figures = (hitRate) => ({ hitRate, requested: null, stored: null, usage: null });
  const entries = [
    { row: row(1), figures: figures(0.2) },
    { row: row(2, { error: "down" }), figures: figures(null) },
    { row: row(3, { health: "failing" }), figures: figures(0.9) },
  ];
  const order = (column, reverse) => sorted(entries, column, reverse).map((entry) => entry.row.number);
  assert.deepEqual(order("Health", false), [2, 3, 1]);
  assert.deepEqual(order("Health", true), [1, 3, 2]);
  assert.deepEqual(order("Hit rate", false), [3, 1, 2]);
  assert.deepEqual(order("Hit rate", true), [1, 3, 2]);
  assert.deepEqual(order("Rank", true), [3, 2, 1]);
});

test("a health that is not known is unknown", () => {
  for (const health of ["toString", "__proto__", "", undefined]) assert.equal(stateOf(row(1, { health })), "unknown");
  assert.equal(summaryOf([row(1), row(2, { error: "x" }), row(3)]), "2 ok, 1 down");
});

test("ranks are grouped by host", () => {
  const entries = [1, 2, 3].map((number) => ({ row: row(number), figures: undefined }));
  const groups = [...groupsOf(entries, "host")].map(([name, group]) => [name, group.map((entry) => entry.row.number)]);
  assert.deepEqual(groups, [
    ["h1", [1, 3]],
    ["h0", [2]],
  ]);
  assert.deepEqual([...groupsOf([], "").keys()], [""]);
});

test("a row shows dashes for what is unknown, and the reason for a rank that is down", () => {
  const texts = textsOf({ row: row(1, { error: "cannot connect", usage: 5, started: 1 }), figures: undefined }, 1000);
  assert.equal(texts[1], "✘ down: cannot connect");
  assert.deepEqual([texts[3], texts[4], texts[5], texts[9]], ["–", "–", "–", "–"]);
});

test("all lines of a chart together have a limit", () => {
  for (const [length, count] of [
    [450, 2],
    [450, 201],
    [450, 1025],
  ])
    assert.ok((length / stepFor(length, count)) * count <= 6_700);
  assert.equal(stepFor(450, 5), 1);
});

test("the search sees each value with its ranks", () => {
  assert.deepEqual(valuesIn([{ name: "a", values: [{ value: 1, ranks: "0-2" }] }], String), [
    { text: "a: 1", ranks: "0-2" },
  ]);
});
