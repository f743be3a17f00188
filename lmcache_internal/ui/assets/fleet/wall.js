// The wall of ranks: one row each, which is updated in place, so that a poll of 200 ranks costs little.

import { h, replace } from "../dom.js";
import { format } from "../scales.js";
import { COLUMNS, groupsOf, sorted, stateOf, summaryOf, textsOf } from "./rows.js";

/** @typedef {import("./rows.js").Entry} Entry */
/** @typedef {{element: HTMLElement, cells: HTMLElement[], texts: string[], box: HTMLInputElement}} Line */

/** @type {import("./state.js").FleetView} */
export const view = { id: "ranks", title: "Ranks", create };

const HEALTH = COLUMNS.indexOf("Health");

/** @param {import("./state.js").FleetContext} context */
function create({ state }) {
  let [column, reverse, order] = ["Rank", false, ""];
  /** @type {Map<number, Line>} */
  const lines = new Map();
  const filter = /** @type {HTMLInputElement} */ (
    h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter ranks", oninput: () => poll() })
  );
  const grouping = /** @type {HTMLSelectElement} */ (
    h(
      "select",
      { "aria-label": "Group by", onchange: () => poll() },
      ["", "host", "model", "kind"].map((by) => h("option", { value: by }, by ? `By ${by}` : "Not grouped")),
    )
  );
  const scope = h("span", { class: "quiet" });
  const clear = h("button", { onclick: () => choose([], false) }, "Choose none");
  const shown = h(
    "button",
    {
      onclick: () =>
        choose(
          visible().map(({ row }) => row.number),
          true,
        ),
    },
    "Choose shown",
  );
  const tiles = h("dl", { class: "tiles" });
  const heads = COLUMNS.map((name) => h("th", { scope: "col" }, h("button", { onclick: () => sortBy(name) }, name)));
  const head = h("tr", {}, h("th", { scope: "col" }, h("span", { class: "hidden" }, "Chosen")), heads);
  const table = h("table", { class: "wall" }, h("caption", { class: "hidden" }, "Ranks"), h("thead", {}, head));
  const scroll = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Ranks" }, table);

  /** @param {string} name */
  function sortBy(name) {
    reverse = name === column && !reverse;
    column = name;
    poll();
  }

  /** @param {number[]} numbers @param {boolean} add */
  function choose(numbers, add) {
    if (!add) state.chosen.clear();
    for (const number of numbers) state.chosen.add(number);
    for (const [number, { box }] of lines) box.checked = state.chosen.has(number);
    scope.textContent = `Changes apply to ${state.scope}.`;
  }

  /** @returns {Entry[]} */
  function visible() {
    const wanted = filter.value.toLowerCase();
    const entries = state.rows.map((row) => ({ row, figures: state.history.now.get(row.number) }));
    const matches = (/** @type {Entry} */ entry) =>
      `${textsOf(entry, state.time).join(" ")} ${entry.row.address}`.toLowerCase().includes(wanted);
    return sorted(wanted ? entries.filter(matches) : entries, column, reverse);
  }

  function poll() {
    const entries = visible();
    for (const entry of entries) update(lineOf(entry), textsOf(entry, state.time), entry);
    const groups = groupsOf(entries, grouping.value);
    const wanted = JSON.stringify([...groups].map(([name, group]) => [name, ...group.map(({ row }) => row.number)]));
    if (wanted !== order) arrange(groups);
    order = wanted;
    heads.forEach((cell, index) => {
      const direction = COLUMNS[index] !== column ? "none" : reverse ? "descending" : "ascending";
      if (cell.getAttribute("aria-sort") !== direction) cell.setAttribute("aria-sort", direction);
    });
    showTiles();
    choose([], true);
  }

  /** @param {Entry} entry */
  function lineOf({ row }) {
    let line = lines.get(row.number);
    if (!line) {
      line = newLine(row, (chosen) => {
        if (chosen) state.chosen.add(row.number);
        else state.chosen.delete(row.number);
        choose([], true);
      });
      lines.set(row.number, line);
    }
    return line;
  }

  /** @param {Map<string, Entry[]>} groups */
  function arrange(groups) {
    const bodies = [...groups].map(([name, group]) => {
      const title = `${name} (${group.length})`;
      const first = name && h("tr", {}, h("th", { colspan: COLUMNS.length + 1, scope: "rowgroup" }, title));
      return h(
        "tbody",
        {},
        first,
        group.map(({ row }) => /** @type {Line} */ (lines.get(row.number)).element),
      );
    });
    replace(table, [
      /** @type {HTMLTableElement} */ (table).caption,
      /** @type {HTMLTableElement} */ (table).tHead,
      ...bodies,
    ]);
  }

  function showTiles() {
    const { total } = state.history;
    /** @type {[string, string][]} */
    const values = [
      ["Ranks", summaryOf(state.rows) || "–"],
      ["Token hit rate", total.hitRate === null ? "no traffic" : format(total.hitRate, "percent")],
      ["Requested", format(total.requested, "per second")],
      ["Stored", format(total.stored, "per second")],
      ["Usage", format(total.usage, "bytes")],
    ];
    replace(
      tiles,
      values.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    );
  }

  const tools = h("p", { class: "tools" }, filter, grouping, shown, clear, scope);
  return { element: h("div", {}, tiles, tools, scroll), refresh: async () => poll(), poll };
}

/**
 * @param {import("./history.js").Row} row
 * @param {(chosen: boolean) => void} onchange
 * @returns {Line}
 */
function newLine(row, onchange) {
  const box = /** @type {HTMLInputElement} */ (
    h("input", { type: "checkbox", "aria-label": `Choose rank ${row.number}`, onchange: () => onchange(box.checked) })
  );
  const link = h("a", { href: `/rank/${row.number}/ui` });
  const cells = COLUMNS.map((_, index) => (index === 0 ? link : h("td")));
  const element = h("tr", {}, h("td", {}, box), h("th", { scope: "row" }, link), cells.slice(1));
  return { element, cells, texts: [], box };
}

/**
 * Write what has changed.
 * @param {Line} line
 * @param {string[]} texts
 * @param {Entry} entry
 */
function update(line, texts, { row }) {
  texts.forEach((text, index) => {
    if (line.texts[index] === text) return;
    line.cells[index].textContent = text;
    if (index === 0) line.cells[0].title = row.address;
    if (index === HEALTH) line.cells[index].className = `state ${stateOf(row)}`;
  });
  line.texts = texts;
}
