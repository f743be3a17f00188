// Run Python inside the engine's process.

import { ApiError } from "../client.js";
import { h } from "../dom.js";
import { format } from "../scales.js";

const EXAMPLE = "# `app` is the Flask app; set `result`.\nresult = type(app.state.lmcache_adapter).__name__\n";

/** @type {import("../views.js").View} */
export const view = { id: "scripts", title: "Scripts", route: "POST /run_script", create };

/** @param {import("../views.js").Context} context */
function create({ client, requires, confirm }) {
  const source = /** @type {HTMLTextAreaElement} */ (
    h("textarea", { rows: 12, spellcheck: "false", "aria-label": "Python source" }, EXAMPLE)
  );
  const run = h("button", { class: "primary", type: "button" }, "Run…");
  const output = h("div", { role: "status" });

  run.addEventListener("click", async () => {
    const body = new FormData();
    body.append("script", new Blob([source.value]), "script.py");
    const title = "Run this script in the engine's process";
    if (!(await confirm({ title, method: "POST", path: "/run_script", body, command: ["script", "run", "FILE"] })))
      return;
    output.replaceChildren(h("p", {}, "Running…"));
    const began = performance.now();
    let outcome;
    try {
      outcome = await (await client.request("POST", "/run_script", body)).json();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      outcome = { ...error.body, error: error.message };
    }
    output.replaceChildren(...shown(outcome, performance.now() - began));
  });

  async function refresh() {
    const needed = requires("POST /run_script");
    run.textContent = needed ? `Run (${needed})` : "Run…";
    run.toggleAttribute("disabled", Boolean(needed));
  }

  return { element: h("div", {}, source, h("p", {}, run), output), refresh };
}

/**
 * @param {Record<string, any>} outcome
 * @param {number} ms
 */
function shown(outcome, ms) {
  const { result, stdout, error, traceback } = outcome;
  const parts = Object.entries({ Result: result, Output: stdout, Error: error, Traceback: traceback });
  const blocks = parts
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [h("h2", {}, name), h("pre", {}, text(value))]);
  return [...blocks.flat(), h("p", { class: "quiet" }, `Took ${format(ms / 1000, "seconds")}.`)];
}

/** @param {unknown} value */
function text(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
