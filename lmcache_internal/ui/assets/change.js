// The dialog before a change: it shows the commands that do the same, and asks.

import { errorText } from "./client.js";
import { h, input, openDialog, whileDisabled } from "./dom.js";

/**
 * Return the curl command that makes a change.
 * @param {string} base - the URL of the server
 * @param {Change} change
 * @param {boolean} token - whether a token is needed
 * @param {string} [socket] - the Unix socket of the server
 */
export function curlOf(base, { method, path, body }, token, socket) {
  const words = ["curl", "-X", method];
  if (socket) words.push("--unix-socket", quoted(socket));
  if (token) words.push("-H", '"Authorization: Bearer $LMCACHE_INTERNAL_TOKEN"');
  if (body instanceof FormData) words.push("-F", "script=@FILE");
  else if (body !== undefined) words.push("-H", "'Content-Type: application/json'", "-d", quoted(JSON.stringify(body)));
  return [...words, quoted(base + path)].join(" ");
}

/**
 * Return a command of the CLI for a server.
 * @param {string} base - the URL of the server
 * @param {string[]} command
 * @param {string} [socket] - the Unix socket of the server
 */
export function commandOf(base, command, socket) {
  const words = ["lmcache-internal", ...command, ...(socket ? ["--socket", socket] : ["--url", base])];
  return words.map((word) => (/^[\w./:=,-]+$/.test(word) ? word : quoted(word))).join(" ");
}

/** @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Ask before a change.
 * @param {Client} client
 * @param {Change} change
 * @returns {Promise<boolean>}
 */
export async function confirm(client, change) {
  return (await ask(client, change, async () => "")) !== null;
}

/**
 * Ask, and make the change. An error is shown in the dialog, which stays open.
 * @param {Client} client
 * @param {Change} change
 * @returns {Promise<string | null>} the body of the response; null if the change was not made
 */
export function make(client, change) {
  return ask(client, change, () => client.request(change.method, change.path, change.body));
}

/**
 * @param {Client} client
 * @param {Change} change
 * @param {() => Promise<string>} act - what the button Apply does
 * @returns {Promise<string | null>} the result of `act`; null if the user cancelled
 */
function ask(client, change, act) {
  return new Promise((resolve) => {
    const message = h("p", { role: "alert", class: "error" });
    const typed = input({ "aria-label": "Name" });
    const apply = h("button", { class: "primary", disabled: Boolean(change.type) }, "Apply");
    const cancel = h("button", { onclick: () => dialog.close() }, "Cancel");
    typed.addEventListener("input", () => (apply.disabled = typed.value !== change.type));
    const { base, socket, token } = client.address;
    const commands = [
      curlOf(base, change, token, socket),
      ...(change.command ? [commandOf(base, change.command, socket)] : []),
    ];
    const dialog = h(
      "dialog",
      { "aria-label": change.title },
      h("h2", {}, `${change.title}?`),
      change.details && h("p", {}, change.details),
      h("p", {}, "The same in a shell:"),
      h("pre", {}, commands.join("\n")),
      change.type && h("label", {}, `This cannot be undone. Type ${change.type} to continue: `, typed),
      message,
      h("p", { class: "tools" }, apply, cancel),
    );
    /** @type {string | null} */
    let result = null;
    const attempt = async () => {
      try {
        result = await act();
        dialog.close();
      } catch (error) {
        message.textContent = errorText(error);
      }
    };
    apply.addEventListener("click", () => whileDisabled(apply, attempt));
    dialog.addEventListener("close", () => resolve(result));
    openDialog(dialog);
  });
}
