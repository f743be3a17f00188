import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, format, ticks } from "../../lmcache_internal/ui/assets/scales.js";

test("an axis is round, starts at 0 and covers the highest value, whatever that is", () => {
  for (let power = -9; power < 15; power += 1) {
    for (const digit of [1, 1.01, 2, 2.4, 3.3, 4.99, 5, 7.7, 9.99]) {
      const highest = digit * 10 ** power;
      const found = ticks(highest);
      assert.equal(found[0], 0);
      assert.ok(found.at(-1) >= highest * 0.999, `${highest}: ${found}`);
      assert.ok(found.length >= 3 && found.length <= 6, `${highest}: ${found}`);
      assert.ok(found.at(-1) <= highest * 1.6, `${highest}: ${found}`);
    }
  }
});

test("without a value the axis is 0 to 1", () => {
  for (const value of [0, -1, NaN, Infinity]) assert.deepEqual(ticks(value), [0, 1]);
});

test("an axis of bytes is round in binary units", () => {
  assert.deepEqual(
    ticks(80 * 1024 ** 2, "bytes").map((value) => format(value, "bytes")),
    ["0 B", "20 MiB", "40 MiB", "60 MiB", "80 MiB"],
  );
});

test("numbers have three digits and their unit", () => {
  assert.equal(format(0.6842, "percent"), "68.4 %");
  assert.equal(format(0.00042, "seconds"), "420 µs");
  assert.equal(format(0.0123, "seconds"), "12.3 ms");
  assert.equal(format(12.34, "seconds"), "12.3 s");
  assert.equal(format(0, "seconds"), "0 s");
  assert.equal(format(83_558_912, "bytes"), "79.7 MiB");
  assert.equal(format(123_456, "per second"), "123 k/s");
  for (const nothing of [null, undefined, NaN]) assert.equal(format(nothing, "number"), "–");
});

test("a duration has its two largest units", () => {
  assert.equal(duration(0), "0 s");
  assert.equal(duration(59.6), "1 min");
  assert.equal(duration(3 * 3600 + 300), "3 h 5 min");
  assert.equal(duration(2 * 86400 + 5), "2 d 5 s");
});
