// The log levels of all ranks: where they differ, and a change of all or chosen ranks.

import { h, replace } from "../dom.js";
import { levelFields } from "../levels.js";
import { FilterTable } from "../table.js";
import { failuresOf, propose } from "./proposal.js";
import { proposalForm } from "./submit.js";

/** @type {FleetView} */
export const view = { id: "loglevels", title: "Log levels", create };

/** @param {FleetContext} context */
function create({ client, state, refresh: again }) {
  const table = new FilterTable("log levels", ["Logger", "Level", "Ranks"]);
  const failed = h("div");
  const fields = levelFields();
  const form = proposalForm(fields.labels, "Set…", async () => {
    const { time: span, ...wanted } = fields.read();
    const checked = await client.send("POST", "/fleet/loglevel/check", { ...wanted, span, ranks: state.numbers });
    const title = `Set ${wanted.logger} to ${wanted.level}${span && ` for ${span}`} on ${state.scope}`;
    if (await propose(client, title, checked)) await again();
  });

  async function refresh() {
    const found = await client.json("/fleet/loglevels");
    replace(failed, failuresOf("No log levels", found.failed));
    found.names.sort((/** @type {Logger} */ a, /** @type {Logger} */ b) => a.name.localeCompare(b.name));
    table.update(found.names.flatMap(rowsOf));
  }

  return {
    element: h("div", {}, failed, form.element, form.message, table.element),
    refresh,
    poll: () => form.show(state, view.id),
  };
}

/** @typedef {{name: string, values: {value: string, ranks: string}[]}} Logger */

/** @param {Logger} logger @returns {TableRow[]} */
function rowsOf({ name, values }) {
  const differs = values.length > 1;
  return values
    .filter(({ value }) => differs || value !== "NOTSET")
    .map(({ value, ranks }) => ({
      text: `${name} ${value} ${ranks}`,
      cells: [h("code", {}, name), differs ? h("b", {}, value) : value, ranks],
    }));
}
