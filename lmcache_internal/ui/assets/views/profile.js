// A CPU profile: samples of the threads' stacks as a flame graph.

import { errorText } from "../client.js";
import { h, input, whileDisabled } from "../dom.js";
import { waits } from "../flame.js";
import { FlameGraph } from "../flamegraph.js";
import { copyButton } from "../rows.js";
import { format } from "../scales.js";

const SAMPLES = 200;

/** @param {Client} client */
export function profileOf(client) {
  const graph = new FlameGraph();
  /** @type {Sampled[]} */
  let stacks = [];
  const state = h("span", { class: "quiet", role: "status" });
  const idle = input({ type: "checkbox", onchange: draw });
  const take = h("button", { type: "button", class: "primary" }, "Take a profile");
  const shown = () => stacks.filter((sampled) => !idle.checked || !waits(sampled));
  const copy = copyButton("Copy folded stacks", () => folded(shown()));
  graph.element.hidden = copy.hidden = true;

  function draw() {
    graph.element.hidden = copy.hidden = stacks.length === 0;
    graph.update(shown());
  }

  async function sample() {
    state.textContent = "Sampling…";
    try {
      const found = await client.json(`/threads?format=json&samples=${SAMPLES}`);
      stacks = found.stacks;
      state.textContent = `${found.samples} samples in ${format(found.seconds, "seconds")}`;
      draw();
    } catch (error) {
      state.textContent = errorText(error);
    }
  }
  take.addEventListener("click", () => whileDisabled(take, sample));

  const label = h("label", {}, idle, " Without threads that wait");
  return { graph, element: h("div", {}, h("div", { class: "tools" }, take, label, copy, state), graph.element) };
}

/**
 * Return the stacks as flame graph tools read them: `thread;outer;inner count`.
 * @param {Sampled[]} stacks
 */
export function folded(stacks) {
  return stacks
    .map(({ thread, count, stack }) => {
      const frames = stack.map(({ file, line, function: called }) => `${called} (${file}:${line})`);
      return `${[thread, ...frames].join(";")} ${count}`;
    })
    .join("\n");
}
