// A plain table, tiles of figures, a meter, and text that is copied.

import { h, replace } from "./dom.js";
import { breakable } from "./texts.js";

const SHORT = 24; // So many characters stay in one line: otherwise, a long text beside them takes their width.

/**
 * Return a table in a region that scrolls. The first cell of each row is its header.
 * @param {string} caption
 * @param {string[]} columns
 * @param {Child[][]} rows
 */
export function table(caption, columns, rows) {
  const lines = rows.map((cells) => tableLine(columns, cells));
  return scrollTable(caption, columns, h("tbody", {}, lines));
}

/**
 * Return a row of a table.
 * @param {string[]} columns
 * @param {(Child | Child[])[]} cells - the first one is the header of the row
 */
export function tableLine(columns, [first, ...cells]) {
  const head = h("th", { scope: "row" }, first);
  const others = cells.map((cell, index) => h("td", { "data-label": columns[index + 1] }, cell));
  return h("tr", {}, [head, ...others].map(wrapped));
}

/**
 * Let a short text be one line, and let long names break behind their separators only.
 * @param {HTMLElement} cell
 */
export function wrapped(cell) {
  cell.classList.toggle("short", String(cell.textContent).length <= SHORT);
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  const texts = /** @type {Text[]} */ ([]);
  while (walker.nextNode()) texts.push(/** @type {Text} */ (walker.currentNode));
  for (const text of texts)
    text.replaceWith(...breakable(text.data).flatMap((part, index) => (index ? [h("wbr"), part] : part)));
  return cell;
}

/**
 * Return a table with a body, in a region that scrolls.
 * @param {string} caption
 * @param {string[]} columns
 * @param {HTMLElement} body
 */
export function scrollTable(caption, columns, body) {
  const content = plainTable(caption, columns, body, "rows");
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, content);
}

/** @param {string} caption @param {string[]} columns @param {HTMLElement} body @param {string} [kind] - the class */
export function plainTable(caption, columns, body, kind) {
  const heads = columns.map((column) => h("th", { scope: "col" }, column));
  const name = h("caption", { class: "hidden" }, caption);
  return h("table", { class: kind }, name, h("thead", {}, h("tr", {}, heads)), body);
}

/**
 * Show figures with their names.
 * @param {HTMLElement} element - a `dl`
 * @param {[name: string, value: string][]} tiles
 */
export function showTiles(element, tiles) {
  const parts = tiles.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  replace(element, parts);
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
  const area = h("textarea", { class: "hidden", "aria-label": "Text to copy" }, text);
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
