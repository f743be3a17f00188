import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOf, curlOf } from "../../lmcache_internal/ui/assets/change.js";
import { pageEntry } from "../../lmcache_internal/ui/assets/navigation.js";
import { completed } from "../../lmcache_internal/ui/assets/next_step.js";
import { pauseAfter } from "../../lmcache_internal/ui/assets/poller.js";
import { typedValue } from "../../lmcache_internal/ui/assets/values.js";
import { levelChange } from "../../lmcache_internal/ui/assets/views/loglevels.js";
import { grouped } from "../../lmcache_internal/ui/assets/views/threads.js";

test("a slow server is polled a fifth of the time, one that is down ever less often, never less than every 30 s", () => {
  assert.equal(pauseAfter(10, 0), 2000);
  assert.equal(pauseAfter(1000, 0), 5000);
  assert.equal(pauseAfter(10, 1), 4000);
  assert.equal(pauseAfter(10, 100), 30_000);
  assert.equal(pauseAfter(60_000, 0), 30_000);
});

test("the curl command quotes what a shell would interpret, and never contains the token", () => {
  const change = { title: "", method: "POST", path: "/conf", body: { a: "it's $HOME" }, command: [] };
  assert.equal(
    curlOf("http://h:1", change, true),
    `curl -X POST -H "Authorization: Bearer $LMCACHE_INTERNAL_TOKEN" -H 'Content-Type: application/json' -d '{"a":"it'\\''s $HOME"}' 'http://h:1/conf'`,
  );
});

test("the command of the CLI names the server, and quotes what a shell would interpret", () => {
  const command = ["backends", "close", "a; rm -rf 'x'"];
  assert.equal(
    commandOf("http://h:1", command),
    `lmcache-internal backends close 'a; rm -rf '\\''x'\\''' --url http://h:1`,
  );
});

test("a next step is a command for this rank, or says what to fill in", () => {
  const step = (text, evidence, address = { base: "http://h:1", socket: "" }) =>
    completed({ next_step: text, evidence }, address);
  const bypass = "Run `lmcache-internal bypass remove NAME --index N` (PUT /bypass/remove?backend_name=NAME), now.";
  assert.equal(
    step(bypass, { backend: "A B" }),
    "Run `lmcache-internal bypass remove 'A B' --url http://h:1` (PUT /bypass/remove?backend_name=A%20B), now.",
  );
  assert.equal(
    step("Run `lmcache-internal freeze off --index N`.", {}, { base: "http://localhost", socket: "/run/a.sock" }),
    "Run `lmcache-internal freeze off --socket /run/a.sock`.",
  );
  assert.equal(
    step(bypass, {}),
    "Run `lmcache-internal bypass remove NAME --url http://h:1` (PUT /bypass/remove?backend_name=NAME), now. NAME is the name of the backend.",
  );
  const all = "Run `lmcache-internal conf set a=0 --all` (POST /conf).";
  assert.equal(step(all, { backend: 5 }), all);
});

test("a page of a plugin opens at the server itself, if a browser can reach it", () => {
  const page = { title: "Board", path: "/board", role: "viewer" };
  assert.equal(pageEntry(page, "", "/mount", {}).href, "/mount/board");
  const through = (more, path = "/board") =>
    pageEntry({ ...page, path }, "", "/rank/0", { fleet: "worker 0", ...more });
  assert.deepEqual(through({ base: "http://h:7000", socket: "" }), {
    title: "Board",
    href: "http://h:7000/board",
    needed: "",
    place: "http://h:7000",
  });
  assert.equal(through({ base: "http://localhost", socket: "/run/a.sock" }).href, null);
  assert.equal(through({ base: "http://localhost", socket: "/run/a.sock" }).place, "/run/a.sock");
  assert.equal(through({ base: "kubernetes://n/pod:7000", socket: "" }).href, null);
  for (const path of ["@evil.example/", ".evil.example", ":80@evil.example", "javascript:alert(1)", ""])
    assert.equal(through({ base: "http://h:7000" }, path).href, null);
});

test("a value is JSON if it can be", () => {
  assert.deepEqual(["5", "true", "null", '"5"', "5GB", "[1]"].map(typedValue), [5, true, null, "5", "5GB", [1]]);
});

test("the name of a logger is encoded in the path", () => {
  assert.equal(
    levelChange("a&level=x", "DEBUG", "10m").path,
    "/loglevel?logger_name=a%26level%3Dx&level=DEBUG&for=10m",
  );
});

test("threads with one stack are a group, largest first", () => {
  const thread = (name, line) => ({ name, daemon: true, stack: [{ file: "f", line, function: "g", source: "" }] });
  const groups = grouped([thread("a", 1), thread("b", 2), thread("c", 2)]);
  assert.deepEqual(
    groups.map((group) => group.map(({ name }) => name)),
    [["b", "c"], ["a"]],
  );
});
