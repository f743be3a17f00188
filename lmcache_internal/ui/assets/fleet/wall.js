// The wall of ranks: the state of each, to filter, sort, group and choose.

import { h, input, select, setText } from "../dom.js";
import { showTiles } from "../rows.js";
import { format } from "../scales.js";
import { contains } from "../texts.js";
import { RankTable } from "./rank_table.js";
import { summaryOf, textsOf } from "./rows.js";

/** @type {[string, string][]} */
const GROUPINGS = [
  ["", "Not grouped"],
  ["host", "By host"],
  ["model", "By model"],
  ["kind", "By kind"],
];

/** @type {FleetView} */
export const view = { id: "ranks", title: "Ranks", create };

/** @param {FleetContext} context */
function create({ state }) {
  const filter = input({ type: "search", placeholder: "Filter", "aria-label": "Filter ranks", oninput: () => poll() });
  const grouping = select({ "aria-label": "Group by", onchange: () => poll() }, GROUPINGS);
  const scope = h("span", { class: "quiet" });
  const clear = h("button", { onclick: () => choose([]) }, "Choose none");
  const shown = h("button", { onclick: () => choose([...state.chosen, ...visible().map(({ row }) => row.number)]) });
  shown.textContent = "Choose shown";
  const tiles = h("dl", { class: "tiles" });
  const table = new RankTable(
    (number, chosen) =>
      choose(chosen ? [...state.chosen, number] : [...state.chosen].filter((each) => each !== number)),
    () => poll(),
  );

  /** @param {number[]} numbers */
  function choose(numbers) {
    state.chosen = new Set(numbers);
    showChosen();
  }

  function showChosen() {
    table.check(state.chosen);
    setText(scope, `Changes apply to ${state.scope}.`);
  }

  /** @returns {RankEntry[]} */
  function visible() {
    const entries = state.rows.map((row) => ({ row, figures: state.history.now.get(row.number) }));
    const matches = (/** @type {RankEntry} */ entry) =>
      contains(`${textsOf(entry, state.time).join(" ")} ${entry.row.address}`, filter.value);
    return filter.value ? entries.filter(matches) : entries;
  }

  function poll() {
    table.show(visible(), grouping.value, state.time, new Set(state.rows.map(({ number }) => number)));
    showTiles(tiles, tilesOf(state));
    showChosen();
  }

  const tools = h("p", { class: "tools" }, filter, grouping, shown, clear, scope);
  return { element: h("div", {}, tiles, tools, table.element), refresh: async () => poll(), poll };
}

/**
 * @param {FleetState} state
 * @returns {[string, string][]}
 */
function tilesOf({ rows, history: { total } }) {
  return [
    ["Ranks", summaryOf(rows) || "–"],
    ["Token hit rate", total.hitRate === null ? "no traffic" : format(total.hitRate, "percent")],
    ["Tokens requested", format(total.requested, "per second")],
    ["Tokens stored", format(total.stored, "per second")],
    ["Usage", format(total.usage, "bytes")],
  ];
}
