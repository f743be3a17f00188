// The threads of the process; threads with the same stack are one group.

import { h, input, replace } from "../dom.js";
import { copyButton } from "../rows.js";
import { stackGroup } from "../stacks.js";
import { contains, counted } from "../texts.js";
import { profileOf } from "./profile.js";

/** @type {View} */
export const view = { id: "threads", title: "Threads", route: "GET /threads", create };

/** @param {Context} context */
function create({ client, refresh: again }) {
  /** @type {Thread[]} */
  let threads = [];
  const search = input({
    type: "search",
    placeholder: "Filter",
    "aria-label": "Filter threads",
    oninput: () => draw(),
  });
  const count = h("span", { class: "quiet", role: "status" });
  const list = h("div");
  const profile = profileOf(client);

  function draw() {
    const groups = grouped(threads.filter((thread) => contains(textOf(thread), search.value)));
    count.textContent = `${counted(threads.length, "thread")}, ${counted(groups.length, "group")} shown`;
    replace(list, groups.map(groupOf));
    profile.graph.find(search.value);
  }

  async function refresh() {
    threads = (await client.json("/threads?format=json")).threads;
    draw();
  }

  const button = h("button", { type: "button", onclick: again }, "Refresh");
  const copy = copyButton("Copy stacks", () => threads.map(textOf).join("\n\n"));
  const tools = h("div", { class: "tools" }, search, button, copy, count);
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
  const count = threads.length > 1 && h("b", {}, `${threads.length} × `);
  return stackGroup([count, threads.map(({ name }) => name).join(", ")], threads[0].stack);
}
