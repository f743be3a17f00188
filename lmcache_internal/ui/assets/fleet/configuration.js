// The configuration of all ranks: their differences, and a change of all or chosen ranks as a transaction.

import { ApiError } from "../client.js";
import { h, replace } from "../dom.js";
import { FilterTable } from "../table.js";
import { typedValue } from "../views/configuration.js";
import { failuresOf, post, propose } from "./proposal.js";

/** @typedef {{value: unknown, default: unknown, mutable: boolean, takes_effect?: string}} Setting */
/** @typedef {{name: string, values: {value: Setting, ranks: string}[]}} Common */

/** @type {import("./state.js").FleetView} */
export const view = { id: "configuration", title: "Configuration", create };

/** @param {import("./state.js").FleetContext} context */
function create({ client, state }) {
  const table = new FilterTable("settings", ["Setting", "Value", "Ranks"], "All settings are equal on all ranks.");
  const all = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", onchange: () => draw() }));
  const failed = h("div");
  const scope = h("b");
  const names = h("datalist", { id: "settings" });
  const key = /** @type {HTMLInputElement} */ (
    h("input", { type: "text", list: "settings", required: true, autocomplete: "off" })
  );
  const value = /** @type {HTMLInputElement} */ (h("input", { type: "text", autocomplete: "off" }));
  const message = h("p", { role: "alert", class: "error" });
  const form = h(
    "form",
    { class: "tools" },
    h("label", {}, "Setting ", key),
    h("label", {}, "Value ", value),
    h("button", { class: "primary" }, "Check…"),
    h("span", {}, "on ", scope),
    names,
  );
  /** @type {Common[]} */
  let settings = [];
  let generated = new Set();

  function draw() {
    const shown = settings.filter(({ name, values }) => all.checked || (values.length > 1 && !generated.has(name)));
    table.update(shown.flatMap(rowsOf));
  }

  async function refresh() {
    const found = await client.json("/fleet/conf");
    settings = found.names;
    generated = new Set(found.generated);
    replace(failed, failuresOf("No settings", found.failed));
    const mutable = settings.filter(({ values }) => values.some((each) => each.value.mutable));
    replace(
      names,
      mutable.map(({ name }) => h("option", { value: name })),
    );
    draw();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    message.textContent = "";
    try {
      const checked = await post(client, "/fleet/conf/check", {
        values: { [key.value]: typedValue(value.value) },
        ranks: state.numbers,
      });
      const title = `Set ${key.value} on ${state.scope}`;
      const apply = checked.id && (() => post(client, "/fleet/conf/apply", { id: checked.id }));
      if (await propose(title, planOf(checked), checked.command, apply)) await refresh();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      message.textContent = error.message;
    }
  });

  const toggle = h("label", {}, all, " Show settings that are equal on all ranks, too");
  const change = h("section", { "aria-label": "Change" }, h("h2", {}, "Change"), form, message);
  return {
    element: h("div", {}, failed, toggle, table.element, change),
    refresh,
    poll: () => (scope.textContent = state.scope),
  };
}

/** @param {Common} setting @returns {import("../table.js").Row[]} */
function rowsOf({ name, values }) {
  return values.map(({ value, ranks }) => {
    const text = textOf(value.value);
    const shown = values.length > 1 ? h("b", {}, text) : text;
    return { text: `${name} ${text} ${ranks}`, cells: [h("code", {}, name), shown, ranks] };
  });
}

/** @param {{id: string | null, count: number, changes: {name: string, old: string, new: string, ranks: string}[], failed: import("./proposal.js").Failures}} checked */
function planOf({ id, count, changes, failed }) {
  const lines = changes.map((change) =>
    h("li", {}, `${change.name}: ${change.old} → ${change.new} on ranks ${change.ranks}`),
  );
  const verdict = failed.length
    ? "Nothing can be applied, because not all ranks accept the change. Choose other ranks, or another value."
    : id
      ? `All ${count} ranks accept the change in a dry run. It is applied to all of them.`
      : "Nothing to change: the ranks have this value.";
  return [h("ul", {}, lines), failuresOf("Refused", failed), h("p", {}, verdict)];
}

/** @param {unknown} value */
function textOf(value) {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "–");
}
