// The threads of all ranks; threads with the same stack are one group.

import { h, replace } from "../dom.js";
import { failuresOf } from "./proposal.js";

/** @typedef {[file: string, line: number, function: string, source: string]} Call */
/** @typedef {{count: number, names: string[], ranks: string, stack: Call[]}} Stack */

const SHOWN = 100;

/** @type {import("./state.js").FleetView} */
export const view = { id: "threads", title: "Threads", create };

/** @param {import("./state.js").FleetContext} context */
function create({ client }) {
  /** @type {Stack[]} */
  let stacks = [];
  const failed = h("div");
  const list = h("div");
  const count = h("span", { class: "quiet", role: "status" });
  const filter = /** @type {HTMLInputElement} */ (
    h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter threads", oninput: () => draw() })
  );
  function draw() {
    const wanted = filter.value.toLowerCase();
    const found = stacks.filter((stack) => stackText(stack).toLowerCase().includes(wanted));
    count.textContent = `${found.length} stacks${found.length > SHOWN ? `, the first ${SHOWN} are shown` : ""}`;
    replace(list, found.slice(0, SHOWN).map(groupOf));
  }
  async function refresh() {
    const answer = await client.json("/fleet/threads");
    stacks = answer.stacks;
    replace(failed, failuresOf("No threads", answer.failed));
    draw();
  }
  const again = h("button", { onclick: () => refresh().catch(() => {}) }, "Refresh");
  const tools = h("p", { class: "tools" }, filter, again, count);
  return { element: h("div", {}, failed, tools, list), refresh, poll: () => {} };
}

/** @param {Stack} stack */
export function stackText({ names, ranks, stack }) {
  return [...names, ranks, ...stack.map((call) => call.join(" "))].join("\n");
}

/** @param {Stack} stack */
export function groupOf({ count, names, ranks, stack }) {
  const top = stack.at(-1);
  const summary = h(
    "summary",
    {},
    h("b", {}, `${count} × `),
    names.join(", "),
    h("span", { class: "quiet" }, `${top ? ` in ${top[2]}` : ""}, ranks ${ranks}`),
  );
  const frames = [...stack]
    .reverse()
    .map(([file, line, name, source]) =>
      h("li", {}, h("code", {}, source || name), h("span", { class: "quiet" }, ` ${name}, ${file}:${line}`)),
    );
  return h("details", { class: "group" }, summary, h("ol", {}, frames));
}
