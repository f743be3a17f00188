// One search over the fleet: ranks, settings, log levels and threads.

import { h, replace } from "../dom.js";
import { textsOf } from "./rows.js";
import { groupOf, stackText } from "./threads.js";

/** @typedef {import("../dom.js").Child} Child */

const SHOWN = 50;

/** @type {import("./state.js").FleetView} */
export const view = { id: "search", title: "Search", create };

/** @param {import("./state.js").FleetContext} context */
function create({ client, state }) {
  const query = /** @type {HTMLInputElement} */ (
    h("input", { type: "search", "aria-label": "Search the fleet", placeholder: "Rank, setting, logger, function" })
  );
  const results = h("div", { role: "status" });
  const form = h("form", { class: "tools" }, query, h("button", { class: "primary" }, "Search"));

  async function search() {
    const wanted = query.value.trim().toLowerCase();
    if (!wanted) return;
    replace(results, "Searching…");
    const matches = (/** @type {string} */ text) => text.toLowerCase().includes(wanted);
    const ranks = state.rows.filter((row) =>
      matches(`${textsOf({ row, figures: undefined }, state.time).join(" ")} ${row.address}`),
    );
    const [conf, levels, threads] = [
      await found(client, "/fleet/conf"),
      await found(client, "/fleet/loglevels"),
      await found(client, "/fleet/threads"),
    ];
    const settings = valuesIn(conf.names ?? [], (value) => JSON.stringify(value.value)).filter(({ text }) =>
      matches(text),
    );
    const loggers = valuesIn(levels.names ?? [], String).filter(({ text }) => matches(text));
    const stacks = (threads.stacks ?? []).filter((/** @type {any} */ stack) => matches(stackText(stack)));
    replace(
      results,
      section("Ranks", ranks, (row) =>
        h(
          "li",
          {},
          h("a", { href: `/rank/${row.number}/ui` }, `${row.number} ${row.name}`),
          ` ${row.address} ${row.error ?? ""}`,
        ),
      ),
      section("Settings", settings, ({ text, ranks: on }) => h("li", {}, h("code", {}, text), ` on ranks ${on}`)),
      section("Log levels", loggers, ({ text, ranks: on }) => h("li", {}, h("code", {}, text), ` on ranks ${on}`)),
      section("Threads", stacks, groupOf),
    );
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  return { element: h("div", {}, form, results), refresh: async () => query.focus(), poll: () => {} };
}

/**
 * Return what a request finds; nothing if it fails, so that the rest of the search is shown.
 * @param {import("../client.js").Client} client
 * @param {string} path
 */
async function found(client, path) {
  return client.json(path).catch(() => ({}));
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
 * @template T
 * @param {string} title
 * @param {T[]} items
 * @param {(item: T) => HTMLElement} shown
 */
function section(title, items, shown) {
  const list = items.slice(0, SHOWN).map(shown);
  const container = list[0]?.tagName === "LI" ? h("ul", {}, list) : h("div", {}, list);
  const more = items.length > SHOWN && h("p", { class: "quiet" }, `and ${items.length - SHOWN} more`);
  return h("section", {}, h("h2", {}, `${title}: ${items.length}`), container, more);
}
