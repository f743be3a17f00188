import assert from "node:assert/strict";
import { test } from "node:test";
import { stepFor } from "../../lmcache_internal/ui/assets/fleet/charts.js";
import { FleetHistory, LENGTH, figuresOf } from "../../lmcache_internal/ui/assets/fleet/history.js";
import { rangesOf } from "../../lmcache_internal/ui/assets/fleet/ranges.js";
import { groupsOf, sorted, stateOf, summaryOf, textsOf } from "../../lmcache_internal/ui/assets/fleet/rows.js";
import { valuesIn } from "../../lmcache_internal/ui/assets/fleet/search.js";

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

test("rates are per second, and there is no hit rate without traffic", () => {
  const before = row(1, { hit: 10, requested: 100, stored: 5, usage: 1 });
  const now = row(1, { hit: 60, requested: 200, stored: 5, usage: 2 });
  assert.deepEqual(figuresOf(before, now, 2), { hitRate: 0.5, requested: 50, stored: 0, usage: 2 });
  assert.equal(figuresOf(now, now, 2).hitRate, null);
  assert.deepEqual(figuresOf(undefined, now, 0), { hitRate: null, requested: null, stored: null, usage: 2 });
});

test("a scheduler has the hit rate of its lookups, an MP server none", () => {
  const before = row(0, { found: 0, looked_up: 0 });
  assert.equal(figuresOf(before, row(0, { found: 3, looked_up: 4 }), 1).hitRate, 0.75);
  assert.deepEqual(figuresOf(row(0), row(0), 1), { hitRate: null, requested: null, stored: null, usage: null });
});

test("the hit rate of the fleet is that of its tokens, not the mean of its ranks", () => {
  const history = new FleetHistory();
  history.add([row(1, { hit: 0, requested: 0 }), row(2, { hit: 0, requested: 0 })], 0);
  history.add([row(1, { hit: 90, requested: 100 }), row(2, { hit: 0, requested: 900 })], 1000);
  assert.equal(history.total.hitRate, 0.09);
  assert.equal(history.total.requested, 1000);
});

test("a rank that is down has a gap, and its rate afterwards is over the whole time", () => {
  const history = new FleetHistory();
  history.add([row(1, { requested: 0 })], 0);
  history.add([row(1, { error: "down", age: 2, requested: 0 })], 2000);
  history.add([row(1, { requested: 400 })], 4000);
  assert.deepEqual(history.ranks.get(1).requested, [null, null, 100]);
});

test("the history has a limit, also for a rank that appears later", () => {
  const history = new FleetHistory();
  for (let index = 0; index < LENGTH + 10; index += 1)
    history.add([row(1), ...(index > 5 ? [row(2)] : [])], index * 2000);
  for (const lines of [history.sum, history.ranks.get(1), history.ranks.get(2)])
    assert.equal(lines.usage.length, LENGTH);
  assert.equal(history.times.length, LENGTH);
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
