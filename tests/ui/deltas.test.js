import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketIncrease, increase, perSecond, quantile, share } from "../../lmcache_internal/ui/assets/deltas.js";
import { Scrape, parse } from "../../lmcache_internal/ui/assets/exposition.js";

const scrape = (text, time = 0) => new Scrape(parse(text), time);

test("a counter that became smaller was reset: its new value is the increase", () => {
  assert.equal(increase(100, 30), 30);
  assert.equal(increase(100, 100), 0);
  assert.equal(increase(null, 7), 7);
  assert.equal(increase(5, null), null);
});

test("a rate is per second, and null if the time did not move or the counter is absent", () => {
  assert.equal(perSecond(20, 2000), 10);
  assert.equal(perSecond(20, 0), null);
  assert.equal(perSecond(null, 2000), null);
});

test("without traffic there is no hit rate, and never one above 1", () => {
  assert.equal(share(0, 0), null);
  assert.equal(share(5, null), null);
  assert.equal(share(null, 10), null);
  assert.equal(share(0, 10), 0);
  assert.equal(share(3, 10), 0.3);
  assert.equal(share(8, 4), 1);
});

test("a series is summed over its labels", () => {
  assert.equal(scrape('a{b="1"} 2\na{b="2"} 3').sum("a"), 5);
  assert.equal(scrape("").sum("a"), null);
});

test("a quantile is interpolated as Prometheus does it", () => {
  const buckets = new Map([
    [0.1, 10],
    [0.5, 20],
    [Infinity, 20],
  ]);
  assert.equal(quantile(0.5, buckets), 0.1);
  assert.equal(quantile(0.25, buckets), 0.05);
  assert.ok(Math.abs(quantile(0.75, buckets) - 0.3) < 1e-9);
});

test("a quantile in the last bucket is the highest finite bound; none without observations", () => {
  const all = new Map([
    [1, 0],
    [Infinity, 5],
  ]);
  assert.equal(quantile(0.99, all), 1);
  assert.equal(quantile(0.5, new Map([[Infinity, 0]])), null);
  assert.equal(quantile(0.5, new Map()), null);
});

test("buckets of a restarted engine count from zero", () => {
  const before = new Map([[1, 50]]);
  assert.deepEqual([...bucketIncrease(before, new Map([[1, 60]]))], [[1, 10]]);
  assert.deepEqual([...bucketIncrease(before, new Map([[1, 3]]))], [[1, 3]]);
  assert.deepEqual([...bucketIncrease(new Map(), new Map([[1, 3]]))], [[1, 3]]);
});
