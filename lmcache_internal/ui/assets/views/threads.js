// The threads of the process; threads with the same stack are one group.

import { h, replace } from "../dom.js";
import { copyButton } from "../rows.js";
import { profileOf } from "./profile.js";

/** @typedef {{file: string, line: number, function: string, source: string}} Frame */
/** @typedef {{name: string, daemon: boolean, stack: Frame[]}} Thread */

/** @type {import("../views.js").View} */
export const view = { id: "threads", title: "Threads", route: "GET /threads", create };

/** @param {import("../views.js").Context} context */
function create({ client }) {
  /** @type {Thread[]} */
  let threads = [];
  const search = /** @type {HTMLInputElement} */ (
    h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter threads" })
  );
  const count = h("span", { class: "quiet", role: "status" });
  const list = h("div");
  const profile = profileOf(client);

  function draw() {
    const wanted = search.value.toLowerCase();
    const groups = grouped(threads.filter((thread) => textOf(thread).toLowerCase().includes(wanted)));
    count.textContent = `${threads.length} threads, ${groups.length} groups shown`;
    replace(list, groups.map(groupOf));
    profile.graph.find(search.value);
  }

  async function refresh() {
    threads = (await client.json("/threads?format=json")).threads;
    draw();
  }

  search.addEventListener("input", draw);
  const again = h("button", { type: "button", onclick: () => refresh().catch(() => {}) }, "Refresh");
  const copy = copyButton("Copy", () => threads.map(textOf).join("\n\n"));
  const tools = h("div", { class: "tools" }, search, again, copy, count);
  const parts = [h("h2", {}, "CPU profile"), profile.element, h("h2", {}, "Stacks"), list];
  return { element: h("div", {}, tools, parts), refresh };
}

/** @param {Thread[]} threads */
export function grouped(threads) {
  /** @type {Map<string, Thread[]>} */
  const groups = new Map();
  for (const thread of threads) {
    const stack = thread.stack.map(({ file, line }) => `${file}:${line}`).join("|");
    groups.set(stack, [...(groups.get(stack) ?? []), thread]);
  }
  return [...groups.values()].sort((a, b) => b.length - a.length);
}

/** @param {Thread} thread */
function textOf({ name, stack }) {
  return [name, ...stack.map((frame) => `  ${frame.function} (${frame.file}:${frame.line})`)].join("\n");
}

/** @param {Thread[]} threads */
function groupOf(threads) {
  const names = threads.map(({ name }) => name).join(", ");
  const top = threads[0].stack.at(-1);
  const summary = h(
    "summary",
    {},
    threads.length > 1 && h("b", {}, `${threads.length} × `),
    names,
    h("span", { class: "quiet" }, top ? ` in ${top.function}` : ""),
  );
  const frames = [...threads[0].stack]
    .reverse()
    .map((frame) =>
      h(
        "li",
        {},
        h("code", {}, frame.source || frame.function),
        h("span", { class: "quiet" }, ` ${frame.function}, ${frame.file}:${frame.line}`),
      ),
    );
  return h("details", { class: "group" }, summary, h("ol", {}, frames));
}
