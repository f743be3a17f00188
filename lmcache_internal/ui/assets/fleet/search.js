// One search over the fleet: ranks, settings, log levels and threads.

import { errorText } from "../client.js";
import { h, input, replace, whileDisabled } from "../dom.js";
import { contains } from "../texts.js";
import { failuresOf } from "./proposal.js";
import { ranksText } from "./ranges.js";
import { textsOf } from "./rows.js";
import { groupOf, stackText } from "./threads.js";

const SHOWN = 50;

/** @type {FleetView} */
export const view = { id: "search", title: "Search", create };

/** @param {FleetContext} context */
function create({ client, state }) {
  const query = input({
    type: "search",
    "aria-label": "Search the fleet",
    placeholder: "Rank, setting, logger, function",
  });
  const results = h("div", { role: "status" });
  const button = h("button", { class: "primary" }, "Search");
  const form = h("form", { class: "tools" }, query, button);

  async function search() {
    const wanted = query.value.trim();
    if (!wanted) return;
    replace(results, "Searching…");
    const matches = (/** @type {string} */ text) => contains(text, wanted);
    const sections = [rankSection(state, matches)];
    // One after another: the gateway asks all ranks for two requests at most at the same time.
    for (const [title, path, show] of SOURCES) sections.push(await sectionOf(client, title, path, show, matches));
    replace(results, sections);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    whileDisabled(button, search);
  });
  return { element: h("div", {}, form, results), refresh: async () => query.focus(), poll: () => {} };
}

/** @typedef {(text: string) => boolean} Matches */
/** @typedef {(found: any, matches: Matches) => HTMLElement[]} Show - returns the items of a response that match */

/** What is searched besides the ranks. @type {[title: string, path: string, show: Show][]} */
const SOURCES = [
  ["Settings", "/fleet/conf", ({ names }, matches) => valueItems(names, ({ value }) => JSON.stringify(value), matches)],
  ["Log levels", "/fleet/loglevels", ({ names }, matches) => valueItems(names, String, matches)],
  [
    "Threads",
    "/fleet/threads",
    ({ stacks }, matches) => stacks.filter((/** @type {any} */ stack) => matches(stackText(stack))).map(groupOf),
  ],
];

/** @param {FleetState} state @param {Matches} matches */
function rankSection({ rows, time }, matches) {
  const found = rows.filter((row) => matches(`${textsOf({ row, figures: undefined }, time).join(" ")} ${row.address}`));
  const items = found.map((row) => {
    const link = h("a", { href: `/rank/${row.number}/ui` }, `${row.number} ${row.name}`);
    return h("li", {}, link, ` ${row.address} ${row.error ?? ""}`);
  });
  return section("Ranks", items);
}

/**
 * Return what a request finds, or why it failed; the rest of the search is shown either way.
 * @param {Client} client
 * @param {string} title
 * @param {string} path
 * @param {Show} show
 * @param {Matches} matches
 */
async function sectionOf(client, title, path, show, matches) {
  try {
    const found = await client.json(path);
    return section(title, show(found, matches), failuresOf("Not searched", found.failed));
  } catch (error) {
    return h("section", {}, h("h2", {}, title), h("p", { class: "error" }, `Not searched: ${errorText(error)}`));
  }
}

/**
 * @param {any} names
 * @param {(value: any) => string} shown
 * @param {Matches} matches
 */
function valueItems(names, shown, matches) {
  return valuesIn(names, shown)
    .filter(({ text }) => matches(text))
    .map(({ text, ranks }) => h("li", {}, h("code", {}, text), ` on ${ranksText(ranks)}`));
}

/**
 * @param {{name: string, values: {value: any, ranks: string}[]}[]} names
 * @param {(value: any) => string} shown
 */
export function valuesIn(names, shown) {
  return names.flatMap(({ name, values }) =>
    values.map(({ value, ranks }) => ({ text: `${name}: ${shown(value)}`, ranks })),
  );
}

/**
 * @param {string} title
 * @param {HTMLElement[]} items
 * @param {Node | null} [failures]
 */
function section(title, items, failures) {
  const list = items.slice(0, SHOWN);
  const container = h(list[0]?.tagName === "LI" ? "ul" : "div", {}, list);
  const more = items.length > SHOWN && h("p", { class: "quiet" }, `and ${items.length - SHOWN} more`);
  return h("section", {}, h("h2", {}, `${title}: ${items.length}`), failures, container, more);
}
