import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Poller } from "../../lmcache_internal/ui/assets/poller.js";

let visible;
let now;

beforeEach(() => {
  mock.reset();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  now = 0;
  mock.method(performance, "now", () => now);
  globalThis.document = { hidden: false, addEventListener: (_, listener) => (visible = listener) };
});

/** Let the time pass, in ms. */
async function pass(ms) {
  now += ms;
  mock.timers.tick(ms);
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

/** A poller that counts its polls; each takes `seconds` and fails if `fails`. */
async function started(state = {}) {
  const poll = async () => {
    state.polls = (state.polls ?? 0) + 1;
    now += (state.seconds ?? 0) * 1000;
    if (state.fails) throw new Error("down");
    await state.until;
  };
  const poller = new Poller(poll);
  poller.now();
  await pass(0);
  return { poller, state };
}

test("polls every 2 s", async () => {
  const { state } = await started();
  assert.equal(state.polls, 1);
  await pass(1999);
  assert.equal(state.polls, 1);
  await pass(1);
  assert.equal(state.polls, 2);
  await pass(2000);
  assert.equal(state.polls, 3);
});

test("does not poll while the page is hidden, and polls at once when it is visible again", async () => {
  const { state } = await started();
  document.hidden = true;
  visible();
  for (let minute = 0; minute < 10; minute += 1) await pass(60_000);
  assert.equal(state.polls, 1);
  document.hidden = false;
  visible();
  await pass(0);
  assert.equal(state.polls, 2);
  await pass(2000);
  assert.equal(state.polls, 3);
});

test("polls less often while the server is slow, and every 2 s again afterwards", async () => {
  const { state } = await started({ seconds: 1 });
  await pass(4999);
  assert.equal(state.polls, 1);
  state.seconds = 0;
  await pass(1);
  assert.equal(state.polls, 2);
  await pass(2000);
  assert.equal(state.polls, 3);
});

test("polls ever less often while the server is down, and every 2 s after it is back", async () => {
  const { state } = await started({ fails: true });
  for (const pause of [4000, 8000, 16_000, 30_000, 30_000]) {
    const before = state.polls;
    await pass(pause - 1);
    assert.equal(state.polls, before);
    await pass(1);
    assert.equal(state.polls, before + 1);
  }
  state.fails = false;
  await pass(30_000);
  const before = state.polls;
  await pass(2000);
  assert.equal(state.polls, before + 1);
});

test("one poll runs at a time; one that is requested meanwhile runs directly afterwards", async () => {
  let end;
  const { poller, state } = await started({ until: new Promise((resolve) => (end = resolve)) });
  await pass(60_000);
  assert.equal(state.polls, 1);
  poller.now();
  await pass(0);
  assert.equal(state.polls, 1);
  end();
  await pass(0);
  await pass(0);
  assert.equal(state.polls, 2);
  await pass(30_000);
  assert.equal(state.polls, 3);
});
