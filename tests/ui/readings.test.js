import assert from "node:assert/strict";
import { test } from "node:test";
import { Readings } from "../../lmcache_internal/ui/assets/readings.js";
import { Timeline } from "../../lmcache_internal/ui/assets/timeline.js";

/** Readings every `step` seconds until `end`; the value is the time. */
function every(step, end, process = () => 1) {
  const readings = new Readings();
  for (let time = 0; time <= end; time += step) readings.add(time * 1000, time, process(time));
  return readings;
}

test("a rate begins 10, 20 or 30 s before, and there is none in the first 10 s", () => {
  const bases = [0, 2, 8, 10, 12, 18, 20, 28, 30, 32, 600].map((end) => every(2, end).base?.value);
  assert.deepEqual(bases, [undefined, undefined, undefined, 0, 2, 8, 0, 8, 0, 2, 570]);
});

test("readings that are a little early count, and rare ones have a rate, too", () => {
  const readings = new Readings();
  for (const time of [0, 9_600]) readings.add(time, time, 1);
  assert.equal(readings.base?.value, 0);
  assert.equal(every(7, 70).base?.value, 35);
  assert.equal(every(120, 600).base?.value, 480);
});

test("only the readings of the last 30 s are kept, however long the page is open", () => {
  assert.equal(every(2, 100_000).kept.length, 16);
  assert.equal(every(120, 100_000).kept.length, 2);
});

test("readings in quick succession are one", () => {
  const readings = new Readings();
  assert.deepEqual(
    [0, 100, 999, 1000].map((time) => readings.add(time, time, 1)),
    [true, false, false, true],
  );
});

test("another process and a clock that was set back begin again", () => {
  const restarted = every(2, 20, (time) => Math.floor(time / 18));
  assert.deepEqual(
    restarted.kept.map(({ value }) => value),
    [18, 20],
  );
  const readings = every(2, 20);
  assert.ok(readings.add(5000, 5, 1));
  assert.deepEqual(readings.kept, [{ time: 5000, value: 5 }]);
});

test("a line has 15 minutes, however long the page is open, and none of the night in which a laptop slept", () => {
  const timeline = new Timeline();
  for (let time = 0; time <= 86_400; time += 2) timeline.add(time * 1000, { a: time });
  assert.equal(timeline.times.length, 450);
  assert.equal(timeline.values("a").length, 450);
  assert.equal(timeline.last("a"), 86_400);
  timeline.add(120_000_000, { a: 1 });
  assert.deepEqual([timeline.times, timeline.values("a")], [[120_000_000], [1]]);
});

test("a new line begins with gaps, and one that is not given is removed", () => {
  const timeline = new Timeline();
  timeline.add(0, { a: 1 });
  timeline.add(1000, { a: 2, b: 3 });
  assert.deepEqual(timeline.values("b"), [null, 3]);
  timeline.add(2000, { b: 4 });
  assert.deepEqual(
    [timeline.values("a"), timeline.values("b")],
    [
      [null, null, null],
      [null, 3, 4],
    ],
  );
  assert.equal(timeline.last("a"), null);
  assert.equal(timeline.lines.size, 1);
});

test("lines begin again if the clock was set back", () => {
  const timeline = new Timeline();
  for (const time of [5000, 7000, 1000]) timeline.add(time, { a: time });
  assert.deepEqual([timeline.times, timeline.values("a")], [[1000], [1000]]);
});
