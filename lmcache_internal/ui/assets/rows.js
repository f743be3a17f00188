// A plain table, and text that is copied.

import { h } from "./dom.js";

/** @typedef {import("./dom.js").Child} Child */

/**
 * Return a table in a region that scrolls. The first cell of each row is its header.
 * @param {string} caption
 * @param {string[]} columns
 * @param {Child[][]} rows
 */
export function table(caption, columns, rows) {
  const head = h(
    "tr",
    {},
    columns.map((column) => h("th", { scope: "col" }, column)),
  );
  const body = rows.map(([first, ...cells]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, first),
      cells.map((cell) => h("td", {}, cell)),
    ),
  );
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "hidden" }, caption), h("thead", {}, head), h("tbody", {}, body)),
  );
}

/**
 * Return a bar that shows a part of a whole, with its text.
 * @param {string} label
 * @param {number | null | undefined} value
 * @param {number | null | undefined} limit
 */
export function meter(label, value, limit) {
  if (value === null || value === undefined || !limit) return null;
  return h("meter", { min: 0, max: limit, value, "aria-label": label });
}

/**
 * Return a button that copies a text.
 * @param {string} label
 * @param {() => string} text
 */
export function copyButton(label, text) {
  const button = h("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    const copied = await copy(text());
    button.textContent = copied ? "Copied" : "The browser does not allow copying";
    setTimeout(() => (button.textContent = label), 2000);
  });
  return button;
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelection(text); // Plain HTTP from another host has no clipboard API.
  }
}

/** @param {string} text */
function copySelection(text) {
  const area = /** @type {HTMLTextAreaElement} */ (
    h("textarea", { class: "hidden", "aria-label": "Text to copy" }, text)
  );
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
