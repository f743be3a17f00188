import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { ApiError, Client, errorText, problemOf, waitMs } from "../../lmcache_internal/ui/assets/client.js";

afterEach(() => mock.reset());

/** A client whose server gives one response. */
function client(respond) {
  const asked = mock.method(globalThis, "fetch", async (url, options) => respond(url, options));
  return { client: new Client("/root"), asked };
}

/** A response whose body ends with an error. */
function broken(error) {
  return new Response(new ReadableStream({ pull: (controller) => controller.error(error) }));
}

test("a request has the token, its body as JSON and a timeout", async () => {
  const { client: sender, asked } = client(() => new Response('{"a":1}'));
  sender.token = "secret";
  assert.deepEqual(await sender.send("POST", "/conf", { b: 2 }), { a: 1 });
  const [url, { method, headers, body, signal }] = asked.mock.calls[0].arguments;
  assert.deepEqual([url, method, body], ["/root/conf", "POST", '{"b":2}']);
  assert.deepEqual([headers.Authorization, headers["Content-Type"]], ["Bearer secret", "application/json"]);
  assert.ok(signal instanceof AbortSignal);
});

test("an error of the server has its status, message and body", async () => {
  const { client: sender } = client(() => new Response('{"message":"frozen"}', { status: 409 }));
  await assert.rejects(sender.json("/x"), { status: 409, message: "frozen", body: { message: "frozen" } });
  const text = client(() => new Response("no JSON", { status: 500 })).client;
  await assert.rejects(text.text("/x"), { status: 500, message: "no JSON", body: null });
});

test("a server that cannot be reached, hangs or ends in the middle of a response is no fault of the page", async () => {
  const late = new DOMException("too late", "TimeoutError");
  for (const [respond, message] of [
    [() => Promise.reject(new TypeError("failed")), "the server cannot be reached"],
    [() => Promise.reject(late), "no response in 35 s"],
    [() => broken(new TypeError("network error")), "the server cannot be reached"],
    [() => broken(late), "no response in 35 s"],
    [() => new Response("<html>"), "the response to GET /x is not JSON"],
  ])
    await assert.rejects(client(respond).client.json("/x"), (error) => {
      assert.ok(error instanceof ApiError);
      assert.equal(problemOf(error), `No data: ${message}.`);
      return true;
    });
});

test("an error has its status if there was a response; a fault of the page is named as one", () => {
  assert.equal(errorText(new ApiError(403, "no")), "403: no");
  assert.equal(errorText(new ApiError(0, "the server cannot be reached")), "Error: the server cannot be reached");
  assert.match(errorText(new TypeError("x is undefined")), /^This page has a fault: TypeError: x is undefined\./);
  assert.match(problemOf(new ApiError(503, "LMCache engine not configured")), /open the page of a worker\.$/);
});

test("a page waits longer than the server, at most as long as a browser can", () => {
  assert.equal(waitMs(30), 35_000);
  assert.equal(waitMs(1e9), 2 ** 31 - 1);
});
