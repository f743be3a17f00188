import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, ticks, format as unbroken } from "../../lmcache_internal/ui/assets/scales.js";

/** A number with its unit, as it is typed: in the page, they stay in one line. */
const format = (value, unit) => unbroken(value, unit).replaceAll("\u00a0", " ");

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
  assert.equal(format(0.9996, "seconds"), "1 s");
  assert.equal(format(0.0009996, "seconds"), "1 ms");
  assert.equal(format(9999.9, "number"), "10 k");
  assert.equal(format(999_999, "number"), "1 M");
  for (const nothing of [null, undefined, NaN]) assert.equal(format(nothing, "number"), "–");
});

test("a percentage has at most two decimals, and is 0 or 100 only if that is exact", () => {
  for (const [percent, text] of [
    [0, "0 %"],
    [1e-9, "< 0.01 %"],
    [0.00153, "< 0.01 %"],
    [0.00999, "< 0.01 %"],
    [0.01, "0.01 %"],
    [0.0151, "0.02 %"],
    [0.153, "0.15 %"],
    [1.534, "1.53 %"],
    [9.996, "10 %"],
    [15.34, "15.3 %"],
    [99.94, "99.9 %"],
    [99.95, "> 99.9 %"],
    [99.99999, "> 99.9 %"],
    [100, "100 %"],
    [150, "150 %"],
  ])
    assert.equal(format(percent / 100, "percent"), text);
});

test("a line does not break between a number and its unit", () => {
  const values = [0, 1e-7, 0.0005, 0.5, 59, 100, 12_345, 2e6, 3e9, 2 ** 41];
  for (const unit of ["number", "percent", "bytes", "seconds", "per second"])
    for (const value of values) assert.doesNotMatch(unbroken(value, unit), / /);
  for (const seconds of [0, 69, 3900, 90_000]) assert.doesNotMatch(duration(seconds), / /);
});

test("a duration has its two largest units", () => {
  const texts = [0, 59.6, 69, 3 * 3600 + 300, 2 * 86400 + 5].map((seconds) =>
    duration(seconds).replaceAll("\u00a0", " "),
  );
  assert.deepEqual(texts, ["0 s", "1 min", "1 min 9 s", "3 h 5 min", "2 d 5 s"]);
});
