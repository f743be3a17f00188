// The dialog before a change of ranks: what would change, and the command that does the same. It shows the results.

import { errorText } from "../client.js";
import { h, openDialog, replace, whileDisabled } from "../dom.js";
import { message as parts } from "../texts.js";
import { ranksText } from "./ranges.js";

/**
 * Show what a change would do, ask, make it, and show its results.
 * @param {Client} client
 * @param {string} title
 * @param {CheckedChange} checked
 * @returns {Promise<boolean>} whether it was made, at least on some ranks
 */
export function propose(client, title, checked) {
  return new Promise((resolve) => {
    let made = false;
    const message = h("p", { role: "alert", class: "error" });
    const same = [h("p", {}, "This command does the same:"), h("pre", {}, checked.command)];
    const content = h("div", {}, planOf(checked), same, message);
    const button = h("button", { class: "primary", disabled: !checked.id }, "Apply");
    const close = h("button", { onclick: () => dialog.close() }, "Cancel");
    const dialog = h(
      "dialog",
      { "aria-label": title },
      h("h2", {}, title),
      content,
      h("p", { class: "tools" }, button, close),
    );
    const attempt = async () => {
      try {
        const results = await client.send("POST", "/fleet/apply", { id: checked.id });
        made = true;
        replace(content, resultsOf(results));
        replace(close, "Close");
        button.hidden = true;
        close.focus();
      } catch (error) {
        message.textContent = errorText(error);
      }
    };
    button.addEventListener("click", () => whileDisabled(button, attempt));
    dialog.addEventListener("close", () => resolve(made));
    openDialog(dialog);
  });
}

/** @param {CheckedChange} checked */
function planOf({ id, count, changes, failed, notes = [] }) {
  const lines = changes.map((change) =>
    h("li", {}, `${change.name}: ${change.old} → ${change.new} on ${ranksText(change.ranks)}`),
  );
  const accepted =
    count === 1
      ? "The rank accepts the change in a dry run."
      : `All ${count} ranks accept the change in a dry run. It is applied to all of them.`;
  const verdict = failed.length
    ? "Nothing can be applied, because not all ranks accept the change. Choose other ranks, or another value."
    : id
      ? accepted
      : "Nothing to change: the ranks have this value.";
  const remarks = notes.map((note) => h("p", { class: "notice" }, note));
  return [h("ul", {}, lines), failuresOf("Refused", failed), ...remarks, h("p", {}, verdict)];
}

/** @param {ChangeResults} results */
function resultsOf({ applied, failed, unknown, undo = [] }) {
  return [
    h(
      "p",
      { class: applied ? "ok" : "bad" },
      applied ? `✔ Applied to ${ranksText(applied)}.` : "✘ Applied to no rank.",
    ),
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
  const reasons = failed.map(({ error, ranks }) =>
    h("li", {}, `✘ ${title}: `, h("b", {}, `${ranksText(ranks)}: `), parts(error)),
  );
  return h("ul", { class: "bad bare" }, reasons);
}
