// Run Python inside the engine's process.

import { ApiError } from "../client.js";
import { roleButton } from "../controls.js";
import { h } from "../dom.js";
import { duration, format } from "../scales.js";
import { clock } from "../texts.js";

const EXAMPLE = "# `app` is the Flask app; set `result`.\nresult = type(app.state.lmcache_adapter).__name__\n";

const MOST_RUNS = 10;

/** @type {View} */
export const view = { id: "scripts", title: "Scripts", route: "POST /run_script", create };

/** @param {Context} context */
function create({ client, requires, confirm }) {
  const source = h("textarea", { rows: 12, spellcheck: "false", "aria-label": "Python source" }, EXAMPLE);
  const runs = h("div", { role: "status" });

  async function start() {
    const body = new FormData();
    body.append("script", new Blob([source.value]), "script.py");
    const title = "Run this script in the engine's process";
    if (!(await confirm({ title, method: "POST", path: "/run_script", body, command: ["script", "run", "FILE"] })))
      return;
    const shown = running(client.timeouts.script);
    runs.prepend(shown.element);
    while (runs.children.length > MOST_RUNS) runs.lastChild?.remove();
    let outcome;
    try {
      outcome = await client.send("POST", "/run_script", body);
    } catch (error) {
      outcome = { ...(error instanceof ApiError && error.body), error: error instanceof Error ? error.message : error };
    }
    shown.finish(outcome);
  }

  const needed = requires("POST /run_script");
  const run = roleButton(needed ? "Run" : "Run…", needed, start, { class: "primary" });
  return { element: h("div", {}, source, h("p", {}, run), runs), refresh: async () => {} };
}

/**
 * Return the section of a run: how long it has run, then its outcome.
 * @param {number} limit - the timeout of scripts, in seconds
 */
function running(limit) {
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const state = h("p", { role: "timer", "aria-live": "off" });
  const show = () =>
    (state.textContent = `Running for ${duration(seconds())}. It is stopped after ${duration(limit)}.`);
  show();
  const timer = setInterval(show, 1000);
  const element = h("section", { class: "group" }, h("h2", {}, `Run at ${clock(Date.now())}`), state);

  /** @param {Record<string, any>} outcome */
  function finish(outcome) {
    clearInterval(timer);
    state.textContent = `Took ${format(seconds(), "seconds")}.`;
    element.append(...blocks(outcome));
  }
  return { element, finish };
}

/** @param {Record<string, any>} outcome */
function blocks({ result, stdout, error, traceback }) {
  const parts = Object.entries({ Result: result, Output: stdout, Error: error, Traceback: traceback });
  return parts
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([name, value]) => [h("h3", {}, name), h("pre", {}, text(value))]);
}

/** @param {unknown} value */
function text(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
