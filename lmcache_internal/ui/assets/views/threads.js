// The threads of the process; threads with the same stack are one group.

import { h, replace } from "../dom.js";

/** @typedef {{file: string, line: number, function: string, source: string}} Frame */
/** @typedef {{name: string, daemon: boolean, stack: Frame[]}} Thread */

/** @type {import("../views.js").View} */
export const view = {
  id: "threads",
  title: "Threads",
  route: "GET /threads",
  create({ client }) {
    /** @type {Thread[]} */
    let threads = [];
    const filter = /** @type {HTMLInputElement} */ (
      h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter threads" })
    );
    const count = h("span", { class: "quiet", role: "status" });
    const list = h("div");
    const draw = () => {
      const groups = grouped(
        threads.filter((thread) => textOf(thread).toLowerCase().includes(filter.value.toLowerCase())),
      );
      count.textContent = `${threads.length} threads, ${groups.length} groups shown`;
      replace(list, groups.map(groupOf));
    };
    const refresh = async () => {
      threads = (await client.json("/threads?format=json")).threads;
      draw();
    };
    filter.addEventListener("input", draw);
    const again = h("button", { onclick: () => refresh().catch(() => {}) }, "Refresh");
    const copy = h(
      "button",
      { onclick: () => navigator.clipboard?.writeText(threads.map(textOf).join("\n\n")) },
      "Copy",
    );
    return { element: h("div", {}, h("p", { class: "tools" }, filter, again, copy, count), list), refresh };
  },
};

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
