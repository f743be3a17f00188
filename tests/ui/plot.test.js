import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BOTTOM,
  HEIGHT,
  LEFT,
  RIGHT,
  TOP,
  nearest,
  pathOf,
  timeScale,
  valueScale,
} from "../../lmcache_internal/ui/assets/plot.js";

test("times and values fill the plot", () => {
  const x = timeScale([1000, 1500, 2000], 400);
  assert.deepEqual([x(1000), x(2000)], [LEFT, 400 - RIGHT]);
  assert.equal(timeScale([1000], 400)(1000), LEFT);
  const y = valueScale(8);
  assert.deepEqual([y(0), y(8)], [HEIGHT - BOTTOM, TOP]);
});

test("a gap ends a line, and the last point is always drawn", () => {
  const xs = ["0", "1", "2", "3", "4"];
  const path = (values, step) => pathOf(values, xs, (value) => value, step, 0);
  assert.equal(path([5, 6, null, 7, 8], 1), "M0 5L1 6M3 7L4 8");
  assert.equal(path([5, 6, 7, 8, 9], 2), "M0 5L2 7L4 9");
  assert.equal(path([5, 6, 7, 8], 2), "M1 6L3 8");
  assert.equal(path([null, null], 1), "");
});

test("the nearest time is found at both ends and in between", () => {
  const times = [10, 20, 40];
  const wanted = [-5, 10, 14, 16, 29, 31, 99, Infinity];
  assert.deepEqual(
    wanted.map((time) => nearest(times, time)),
    [0, 0, 0, 1, 1, 2, 2, 2],
  );
  assert.equal(nearest([], 5), -1);
});
