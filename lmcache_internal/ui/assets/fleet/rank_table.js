// The table of ranks: one row each, which is updated in place, so that a poll of 200 ranks costs little.

import { h, input, replace } from "../dom.js";
import { wrapped } from "../rows.js";
import { COLUMNS, groupsOf, sorted, stateOf, textsOf } from "./rows.js";

/** @typedef {{element: HTMLElement, cells: HTMLElement[], texts: string[], box: HTMLInputElement}} Line */

const HEALTH = COLUMNS.indexOf("Health");

export class RankTable {
  /**
   * @param {(number: number, chosen: boolean) => void} onchoose - the user chooses a rank, or no longer
   * @param {() => void} onsort - the user sorts by another column
   */
  constructor(onchoose, onsort) {
    this.onchoose = onchoose;
    this.onsort = onsort;
    this.column = "Rank";
    this.reverse = false;
    /** What is in the table, in its order. */
    this.order = "";
    /** @type {Map<number, Line>} */
    this.lines = new Map();
    this.heads = COLUMNS.map((name) =>
      h("th", { scope: "col" }, h("button", { onclick: () => this.sortBy(name) }, name)),
    );
    const chosen = h("th", { scope: "col" }, h("span", { class: "hidden" }, "Chosen"));
    this.fixed = [h("caption", { class: "hidden" }, "Ranks"), h("thead", {}, h("tr", {}, chosen, this.heads))];
    this.table = h("table", { class: "rows wall" }, this.fixed);
    this.element = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Ranks" }, this.table);
  }

  /** @param {string} name */
  sortBy(name) {
    this.reverse = name === this.column && !this.reverse;
    this.column = name;
    this.onsort();
  }

  /**
   * Show entries; the rows of ranks that are no longer listed are forgotten.
   * @param {RankEntry[]} entries
   * @param {string} by - what they are grouped by, or ""
   * @param {number} time - in ms since the epoch
   * @param {Set<number>} listed - the numbers of all ranks
   */
  show(entries, by, time, listed) {
    const rows = sorted(entries, this.column, this.reverse);
    for (const { row, figures } of rows) update(this.line(row), textsOf({ row, figures }, time), row);
    const groups = groupsOf(rows, by);
    const order = JSON.stringify([...groups].map(([name, group]) => [name, ...group.map(({ row }) => row.number)]));
    if (order !== this.order) this.arrange(groups);
    this.order = order;
    this.heads.forEach((cell, index) => {
      const direction = COLUMNS[index] !== this.column ? "none" : this.reverse ? "descending" : "ascending";
      if (cell.getAttribute("aria-sort") !== direction) cell.setAttribute("aria-sort", direction);
    });
    for (const number of this.lines.keys()) if (!listed.has(number)) this.lines.delete(number);
  }

  /** @param {Set<number>} numbers */
  check(numbers) {
    for (const [number, { box }] of this.lines) box.checked = numbers.has(number);
  }

  /** @param {RankRow} row */
  line(row) {
    const line = this.lines.get(row.number) ?? newLine(row, this.onchoose);
    this.lines.set(row.number, line);
    return line;
  }

  /** @param {Map<string, RankEntry[]>} groups */
  arrange(groups) {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement); // A row that is moved loses the focus.
    const bodies = [...groups].map(([name, group]) => {
      const title = `${name} (${group.length})`;
      const first = name && h("tr", {}, h("th", { colspan: COLUMNS.length + 1, scope: "rowgroup" }, title));
      return h(
        "tbody",
        {},
        first,
        group.map(({ row }) => this.line(row).element),
      );
    });
    replace(this.table, this.fixed, bodies);
    if (this.table.contains(focused)) focused?.focus({ preventScroll: true });
  }
}

/**
 * @param {RankRow} row
 * @param {(number: number, chosen: boolean) => void} onchoose
 * @returns {Line}
 */
function newLine({ number, name }, onchoose) {
  const onchange = () => onchoose(number, box.checked);
  const box = input({ type: "checkbox", "aria-label": `Choose ${number} ${name}`, onchange });
  const link = h("a", { href: `/rank/${number}/ui` });
  const cells = COLUMNS.map((_, index) => (index === 0 ? link : h("td", { "data-label": COLUMNS[index] })));
  const element = h("tr", {}, h("td", {}, box), h("th", { scope: "row" }, link), cells.slice(1));
  return { element, cells, texts: [], box };
}

/**
 * Write what has changed.
 * @param {Line} line
 * @param {string[]} texts
 * @param {RankRow} row
 */
function update(line, texts, row) {
  texts.forEach((text, index) => {
    if (line.texts[index] === text) return;
    line.cells[index].textContent = text;
    wrapped(line.cells[index]);
    if (index === 0) line.cells[0].title = row.address;
    if (index === HEALTH) line.cells[index].className = `state ${stateOf(row)}`;
  });
  line.texts = texts;
}
