// The dialog before a change of ranks: what would change, and the command that does the same. It shows the results.

import { ApiError } from "../client.js";
import { h, replace } from "../dom.js";

/** @typedef {import("../dom.js").Child} Child */
/** @typedef {{error: string, ranks: string}[]} Failures */
/** @typedef {{applied: string, failed: Failures, unknown: Failures, undo?: string[]}} Results */

/**
 * Ask, make the change, and show its results.
 * @param {string} title
 * @param {Child[]} details
 * @param {string} command
 * @param {(() => Promise<Results>) | null} apply - makes the change; null if it cannot be made
 * @returns {Promise<boolean>} whether it was made, at least on some ranks
 */
export function propose(title, details, command, apply) {
  return new Promise((resolve) => {
    let made = false;
    const message = h("p", { role: "alert", class: "error" });
    const content = h("div", {}, details, h("p", {}, "This command does the same:"), h("pre", {}, command), message);
    const button = /** @type {HTMLButtonElement} */ (h("button", { class: "primary", disabled: !apply }, "Apply"));
    const close = h("button", { onclick: () => dialog.close() }, "Cancel");
    const dialog = /** @type {HTMLDialogElement} */ (
      h("dialog", { "aria-label": title }, h("h2", {}, title), content, h("p", { class: "buttons" }, button, close))
    );
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const results = await /** @type {() => Promise<Results>} */ (apply)();
        made = true;
        button.remove();
        replace(close, "Close");
        replace(content, resultsOf(results));
      } catch (error) {
        message.textContent =
          error instanceof ApiError ? `${error.status || "Error"}: ${error.message}` : String(error);
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(made);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** @param {Results} results */
function resultsOf({ applied, failed, unknown, undo = [] }) {
  return [
    h("p", { class: applied ? "ok" : "bad" }, applied ? `✔ Applied to ranks ${applied}.` : "✘ Applied to no rank."),
    failuresOf("Not applied", failed),
    failuresOf("Unknown, because there was no response", unknown),
    undo.length > 0 && h("p", {}, "To undo:"),
    undo.length > 0 && h("pre", {}, undo.join("\n")),
  ];
}

/**
 * Return a list of reasons with their ranks; null without failures.
 * @param {string} title
 * @param {Failures} failed
 */
export function failuresOf(title, failed) {
  if (failed.length === 0) return null;
  const reasons = failed.map(({ error, ranks }) => h("li", {}, h("b", {}, `Ranks ${ranks}: `), error));
  return h("div", { class: "bad" }, h("p", {}, `✘ ${title}:`), h("ul", {}, reasons));
}

/**
 * Send a change as JSON.
 * @param {import("../client.js").Client} client
 * @param {string} path
 * @param {unknown} body
 * @returns {Promise<any>}
 */
export async function post(client, path, body) {
  return (await client.request("POST", path, body)).json();
}
