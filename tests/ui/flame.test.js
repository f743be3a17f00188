import assert from "node:assert/strict";
import { test } from "node:test";
import { busiest, layout, merge, neighbor, waits } from "../../lmcache_internal/ui/assets/flame.js";
import { folded } from "../../lmcache_internal/ui/assets/views/profile.js";

const frame = (name) => ({ file: "/x/m.py", line: 1, function: name });
const sampled = (thread, count, ...names) => ({ thread, count, stack: names.map(frame) });
const STACKS = [sampled("t", 6, "f", "g"), sampled("t", 2, "f"), sampled("u", 2, "f", "f")];

test("stacks are merged by thread and function", () => {
  const root = merge(STACKS);
  assert.equal(root.count, 10);
  assert.deepEqual(
    root.children.map(({ name, count, own }) => [name, count, own]),
    [
      ["t", 8, 0],
      ["u", 2, 0],
    ],
  );
  const [f] = root.children[0].children;
  assert.deepEqual([f.name, f.count, f.own], ["f (x/m.py)", 8, 2]);
});

test("a frame is as wide as its share, inside its parent, and narrow frames are left out", () => {
  const boxes = layout(merge(STACKS), 100);
  for (const box of boxes) {
    const parent = boxes.find(({ node }) => node === box.node.parent);
    if (!parent) continue;
    assert.equal(box.depth, parent.depth + 1);
    assert.ok(box.x >= parent.x - 1e-9 && box.x + box.width <= parent.x + parent.width + 1e-9);
    assert.ok(Math.abs(box.width - box.node.count * 10) < 1e-9);
  }
  assert.equal(boxes.length, 7);
  assert.equal(layout(merge(STACKS), 2, 1).length, 4);
});

test("a recursive call counts once in the total", () => {
  const [first, second] = busiest(merge(STACKS));
  assert.deepEqual(first, { name: "g (x/m.py)", own: 6, total: 6 });
  assert.deepEqual(second, { name: "f (x/m.py)", own: 4, total: 10 });
});

test("arrow keys lead to parent, widest child and siblings, and not out of the graph", () => {
  const root = merge(STACKS);
  const [t, u] = root.children;
  assert.equal(neighbor(root, "ArrowDown"), t);
  assert.equal(neighbor(t, "ArrowRight"), u);
  assert.equal(neighbor(u, "ArrowLeft"), t);
  assert.equal(neighbor(u, "ArrowUp"), root);
  for (const key of ["ArrowUp", "ArrowLeft", "ArrowRight"]) assert.equal(neighbor(root, key), null);
  assert.equal(neighbor(merge([]), "ArrowDown"), null);
});

test("a deep stack is merged and laid out without recursion limits", () => {
  const deep = sampled("t", 1, ...Array.from({ length: 2000 }, (_, index) => `f${index}`));
  assert.equal(layout(merge([deep]), 100).length, 2002);
});

test("a thread waits if its innermost frame is in Python's library for that", () => {
  const at = (file) => waits({ thread: "", count: 1, stack: [{ file, line: 1, function: "wait" }] });
  assert.ok(at("/usr/lib/python3.11/threading.py"));
  assert.ok(at("/usr/lib/python3.11/asyncio/base_events.py"));
  assert.ok(!at("/app/my_threading.py"));
  assert.ok(!waits({ thread: "", count: 1, stack: [] }));
});

test("folded stacks are what flame graph tools read", () => {
  assert.equal(folded([sampled("t", 2, "f", "g")]), "t;f (/x/m.py:1);g (/x/m.py:1) 2");
});
