// The configuration of all ranks: their differences, and a change of all or chosen ranks as a transaction.

import { h, input, replace } from "../dom.js";
import { FilterTable } from "../table.js";
import { shownValue, typedValue } from "../values.js";
import { failuresOf, propose } from "./proposal.js";
import { proposalForm } from "./submit.js";

/** @type {FleetView} */
export const view = { id: "configuration", title: "Configuration", create };

/** @param {FleetContext} context */
function create(context) {
  const table = new FilterTable("settings", ["Setting", "Value", "Ranks"]);
  const all = input({ type: "checkbox", onchange: () => draw() });
  const failed = h("div");
  const change = changeForm(context);
  /** @type {Common<Setting>[]} */
  let settings = [];
  let generated = new Set();

  function draw() {
    const shown = settings.filter(({ name, values }) => all.checked || (values.length > 1 && !generated.has(name)));
    table.update(shown.flatMap(rowsOf));
  }

  async function refresh() {
    const found = await context.client.json("/fleet/conf");
    settings = found.names;
    generated = new Set(found.generated);
    replace(failed, failuresOf("No settings", found.failed));
    const where = found.failed.length > 0 ? "the ranks that sent them" : "all ranks";
    table.empty = settings.length > 0 ? `All settings are equal on ${where}.` : "No rank has sent its settings.";
    change.offer(settings);
    draw();
  }

  table.tools.append(h("label", {}, all, " Show settings that are equal on all ranks, too"));
  return { element: h("div", {}, failed, table.element, change.element), refresh, poll: change.poll };
}

/** @param {FleetContext} context */
function changeForm({ client, state, refresh }) {
  const names = h("datalist", { id: "settings" });
  const key = input({ list: "settings", required: true });
  const value = input({});
  const form = proposalForm(
    [h("label", {}, "Setting ", key), h("label", {}, "Value ", value), names],
    "Check…",
    async () => {
      const values = { [key.value]: typedValue(value.value) };
      const checked = await client.send("POST", "/fleet/conf/check", { values, ranks: state.numbers });
      if (await propose(client, `Set ${key.value} on ${state.scope}`, checked)) await refresh();
    },
  );

  /** @param {Common<Setting>[]} settings */
  function offer(settings) {
    const mutable = settings.filter(({ values }) => values.some((each) => each.value.mutable));
    replace(
      names,
      mutable.map(({ name }) => h("option", { value: name })),
    );
  }

  const element = h("section", { "aria-label": "Change" }, h("h2", {}, "Change"), form.element, form.message);
  return { element, offer, poll: () => form.show(state, view.id) };
}

/** @param {Common<Setting>} setting @returns {TableRow[]} */
function rowsOf({ name, values }) {
  return values.map(({ value, ranks }) => {
    const text = shownValue(value.value);
    const shown = values.length > 1 ? h("b", {}, text) : text;
    return { text: `${name} ${text} ${ranks}`, cells: [h("code", {}, name), shown, ranks] };
  });
}
