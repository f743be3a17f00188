import assert from "node:assert/strict";
import { test } from "node:test";
import { Scrape, parse } from "../../lmcache_internal/ui/assets/exposition.js";

test("comments, blank lines and nonsense are no samples", () => {
  assert.deepEqual(parse("# HELP a b\n# TYPE a counter\n\nnot a sample at all\n{} 1\n"), []);
});

test("names with colons, timestamps and special values are read", () => {
  assert.deepEqual(parse("lmcache:hits_total 3 1700000000"), [{ name: "lmcache:hits_total", labels: {}, value: 3 }]);
  assert.deepEqual(
    parse("a +Inf\nb -Inf\nc NaN\nd 1e-3").map(({ value }) => value),
    [Infinity, -Infinity, NaN, 0.001],
  );
});

test("label values may contain quotes, backslashes, newlines, braces and commas", () => {
  const [sample] = parse('a{x="1\\"2",y="b\\\\n",z="l\\nm",w="}, v=\\"q"} 1');
  assert.deepEqual(sample.labels, { x: '1"2', y: "b\\n", z: "l\nm", w: '}, v="q' });
});

test("buckets are summed over the series of a histogram", () => {
  const text = ['h_bucket{le="1",r="a"} 2', 'h_bucket{le="1",r="b"} 3', 'h_bucket{le="+Inf",r="a"} 4'].join("\n");
  assert.deepEqual(
    [...new Scrape(parse(text), 0).buckets("h")],
    [
      [1, 5],
      [Infinity, 4],
    ],
  );
});

test("a hostile line of 64 KiB takes no time", () => {
  for (const piece of ['a{b="', "a{", 'x="\\', "a ", '",']) {
    const began = performance.now();
    parse(`a{${piece.repeat(65536 / piece.length)}`);
    assert.ok(performance.now() - began < 200, piece);
  }
});
