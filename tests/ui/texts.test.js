import assert from "node:assert/strict";
import test from "node:test";

import { ranksText } from "../../lmcache_internal/ui/assets/fleet/ranges.js";
import { breakable, clock, contains, counted, moment, timed } from "../../lmcache_internal/ui/assets/texts.js";

process.env.TZ = "Asia/Tokyo";

test("times are shown in the time zone of the browser", () => {
  assert.equal(timed("bypassed since 2026-11-29T16:30:15+00:00 by me"), "bypassed since 2026-11-30 01:30:15 by me");
  assert.equal(
    timed("2026-11-29T16:30:15.002Z, 2026-11-29T16:30:15-05:00"),
    "2026-11-30 01:30:15, 2026-11-30 06:30:15",
  );
});

test("what is not a time stays as it is", () => {
  for (const text of ["", "16:30:15", "2026-11-29", "2026-11-29T16:30:15", "2026-99-99T16:30:15Z"])
    assert.equal(timed(text), text);
});

test("five past midnight is 00:05, in every language", () => {
  const midnight = Date.parse("2026-11-29T15:05:00Z");
  assert.equal(clock(midnight), "00:05:00");
});

test("a time of another day has its date", () => {
  const now = Date.parse("2026-11-29T16:00:00Z");
  assert.equal(moment(now - 60_000, now), "00:59:00");
  assert.equal(moment(now - 7200_000, now), "2026-11-29 23:00:00");
});

test("one thing is singular", () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => counted(count, "thread")),
    ["0 threads", "1 thread", "2 threads"],
  );
  assert.equal(counted(2, "entry", "entries"), "2 entries");
});

test("one rank has its name, several have their numbers; a rank that has left has no name", () => {
  const labels = ["4 worker 3", "0-3", "1,3", "7", "2 http://127.0.0.1:7000"];
  assert.deepEqual(labels.map(ranksText), [
    "4 worker 3",
    "ranks 0-3",
    "ranks 1,3",
    "rank 7",
    "2 http://127.0.0.1:7000",
  ]);
});

test("long names break behind their separators, not inside words or numbers", () => {
  const parts = (text) => breakable(text).join("|");
  assert.equal(parts("max_local_disk_size_of_rank"), "max_|local_|disk_|size_|of_|rank");
  assert.equal(parts("POST /cache/explain/and/more/of/it"), "POST /|cache/|explain/|and/|more/|of/|it");
  assert.equal(parts("0.1.0+embedded.and.0.2.0+mock"), "0.1.0+embedded.|and.0.2.0+mock");
  assert.equal(parts("lmcache.v1.storage_backend:run"), "lmcache.|v1.|storage_|backend:|run");
  assert.equal(parts("[27,1,64,1,576,27,1,64,1,576]"), "[27,|1,|64,|1,|576,|27,|1,|64,|1,|576]");
  for (const half of ["57c400b743c74547", "a7c400b743c74547"])
    assert.equal(parts(`embedded_${half}${half}`), `embedded_|${half}|${half}`);
  assert.equal(parts("a".repeat(64)), Array(4).fill("a".repeat(16)).join("|"));
  assert.equal(parts("sha256:6c643ad92dc442691f0e8b5d"), "sha256:|6c643ad92dc44269|1f0e8b5d");
  assert.equal(parts("[0.12345678901,0.12345678901]"), "[0.12345678901,|0.12345678901]");
  for (const short of ["max_local_cpu_size", "PUT /bypass/add", "127.0.0.1", "2026-11-29 22:39:06"])
    assert.equal(parts(short), short);
});

test("the parts of a text are the whole text, and none is longer than a narrow column", () => {
  const texts = [
    "",
    " ",
    "_",
    "__a__b",
    "/".repeat(60),
    "x".repeat(24),
    "é".repeat(99),
    "a/b?c=d&e=f",
    "A B,C;D",
    "😀".repeat(30),
  ];
  for (const text of texts) {
    const parts = breakable(text);
    assert.equal(parts.join(""), text);
    for (const part of parts)
      assert.ok(part.split(/\s/).every((word) => /^[_./:=&?@]*$/.test(word) || [...word].length <= 25));
  }
});

test("a filter ignores case, and finds numbers with their units", () => {
  assert.ok(contains("Usage 1.2\u00a0GiB", "1.2 gib"));
  assert.ok(contains("anything", ""));
  assert.ok(!contains("worker 1", "worker 12"));
});
