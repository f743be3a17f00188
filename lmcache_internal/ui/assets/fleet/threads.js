// The threads of all ranks; threads with the same stack are one group.

import { h, input, replace } from "../dom.js";
import { stackGroup } from "../stacks.js";
import { contains, counted } from "../texts.js";
import { failuresOf } from "./proposal.js";
import { ranksText } from "./ranges.js";

const SHOWN = 100;

/** @type {FleetView} */
export const view = { id: "threads", title: "Threads", create };

/** @param {FleetContext} context */
function create({ client, refresh: again }) {
  /** @type {CommonStack[]} */
  let stacks = [];
  const failed = h("div");
  const list = h("div");
  const count = h("span", { class: "quiet", role: "status" });
  const filter = input({
    type: "search",
    placeholder: "Filter",
    "aria-label": "Filter threads",
    oninput: () => draw(),
  });
  function draw() {
    const found = stacks.filter((stack) => contains(stackText(stack), filter.value));
    count.textContent = `${counted(found.length, "stack")}${found.length > SHOWN ? `, the first ${SHOWN} are shown` : ""}`;
    replace(list, found.slice(0, SHOWN).map(groupOf));
  }
  async function refresh() {
    const found = await client.json("/fleet/threads");
    stacks = found.stacks;
    replace(failed, failuresOf("No threads", found.failed));
    draw();
  }
  const tools = h("p", { class: "tools" }, filter, h("button", { onclick: again }, "Refresh"), count);
  return { element: h("div", {}, failed, tools, list), refresh, poll: () => {} };
}

/** @param {CommonStack} stack */
export function stackText({ names, ranks, stack }) {
  return [...names, ranks, ...stack.map((call) => call.join(" "))].join("\n");
}

/** @param {CommonStack} stack */
export function groupOf({ count, names, ranks, stack }) {
  const frames = stack.map(([file, line, name, source]) => ({ file, line, function: name, source }));
  return stackGroup([h("b", {}, `${count} × `), names.join(", ")], frames, `, ${ranksText(ranks)}`);
}
