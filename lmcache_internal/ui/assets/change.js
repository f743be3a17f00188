// The dialog before a change: it shows the commands that do the same, and asks.

import { h } from "./dom.js";
import { ApiError } from "./client.js";

/**
 * @typedef {object} Change
 * @property {string} title - what happens, such as "Close the backend LocalDiskBackend"
 * @property {string} method
 * @property {string} path
 * @property {unknown} [body]
 * @property {string} [command] - the arguments of `lmcache-internal` that do the same
 * @property {string} [type] - a name to type first, where the change cannot be undone
 * @property {Node} [details]
 */

/**
 * Return the curl command that makes a change.
 * @param {string} base - the URL of the server
 * @param {Change} change
 * @param {boolean} token - whether a token is needed
 */
export function curlOf(base, { method, path, body }, token) {
  const words = ["curl", "-X", method];
  if (token) words.push("-H", '"Authorization: Bearer $TOKEN"');
  if (body !== undefined) words.push("-H", "'Content-Type: application/json'", "-d", quoted(JSON.stringify(body)));
  return [...words, quoted(base + path)].join(" ");
}

/** @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Ask, and make the change.
 * @param {import("./client.js").Client} client
 * @param {Change} change
 * @returns {Promise<boolean>} whether it was made
 */
export function ask(client, change) {
  return new Promise((resolve) => {
    const message = h("p", { role: "alert", class: "error" });
    const typed = /** @type {HTMLInputElement} */ (h("input", { type: "text", autocomplete: "off", "aria-label": "Name" }));
    const apply = /** @type {HTMLButtonElement} */ (h("button", { class: "primary", disabled: Boolean(change.type) }, "Apply"));
    typed.addEventListener("input", () => (apply.disabled = typed.value !== change.type));
    const base = location.origin + client.root;
    const dialog = /** @type {HTMLDialogElement} */ (
      h(
        "dialog",
        { "aria-label": change.title },
        h("h2", {}, `${change.title}?`),
        change.details,
        h("p", {}, "These commands do the same:"),
        h("pre", {}, [curlOf(base, change, Boolean(client.token)), change.command && `\nlmcache-internal ${change.command}`]),
        change.type && h("label", {}, `This cannot be undone. Type ${change.type} to continue: `, typed),
        message,
        h("p", { class: "buttons" }, apply, h("button", { onclick: () => dialog.close() }, "Cancel")),
      )
    );
    let done = false;
    apply.addEventListener("click", async () => {
      apply.disabled = true;
      try {
        await client.request(change.method, change.path, change.body);
        done = true;
        dialog.close();
      } catch (error) {
        message.textContent = error instanceof ApiError ? `${error.status || "Error"}: ${error.message}` : String(error);
        apply.disabled = false;
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(done);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
