import assert from "node:assert/strict";
import { test } from "node:test";
import { inTurns } from "../../lmcache_internal/ui/assets/turns.js";

/** A function whose runs end when the test says so. */
function controlled() {
  const runs = [];
  const act = () => new Promise((resolve, reject) => runs.push({ resolve, reject }));
  return { runs, act: inTurns(act) };
}

/** Let everything run that waits for a promise. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("a call during a run waits for its end, so that no late response replaces a newer one", async () => {
  const { runs, act } = controlled();
  const order = [];
  act().then(() => order.push("first"));
  act().then(() => order.push("second"));
  act().then(() => order.push("third"));
  await settle();
  assert.equal(runs.length, 1);
  runs[0].resolve();
  await settle();
  assert.equal(runs.length, 2);
  assert.deepEqual(order, ["first"]);
  runs[1].resolve();
  await settle();
  assert.deepEqual(order, ["first", "second", "third"]);
  act();
  assert.equal(runs.length, 3);
});

test("an error reaches the callers of its run only, and the next run starts", async () => {
  const { runs, act } = controlled();
  const first = act();
  const second = act();
  runs[0].reject(new Error("down"));
  await assert.rejects(first, /down/);
  await settle();
  runs[1].resolve();
  await second;
  const third = act();
  runs[2].reject(new Error("again"));
  await assert.rejects(third, /again/);
});
