// The log levels of all ranks: where they differ, and a change of all or chosen ranks.

import { ApiError } from "../client.js";
import { h, replace } from "../dom.js";
import { FilterTable } from "../table.js";
import { failuresOf, post, propose } from "./proposal.js";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTSET"];

/** @type {import("./state.js").FleetView} */
export const view = { id: "loglevels", title: "Log levels", create };

/** @param {import("./state.js").FleetContext} context */
function create({ client, state }) {
  const table = new FilterTable("log levels", ["Logger", "Level", "Ranks"]);
  const failed = h("div");
  const scope = h("b");
  const message = h("p", { role: "alert", class: "error" });
  const logger = input({ required: true, placeholder: "lmcache" });
  const span = input({ placeholder: "10m; empty: until restart", pattern: "[0-9]{1,7}[smh]?" });
  const level = /** @type {HTMLSelectElement} */ (
    h(
      "select",
      {},
      LEVELS.map((name) => h("option", {}, name)),
    )
  );
  const form = h(
    "form",
    { class: "tools" },
    h("label", {}, "Logger ", logger),
    h("label", {}, "Level ", level),
    h("label", {}, "For ", span),
    h("button", { class: "primary" }, "Set…"),
    h("span", {}, "on ", scope),
  );

  async function refresh() {
    const found = await client.json("/fleet/loglevels");
    replace(failed, failuresOf("No log levels", found.failed));
    const rows = found.names.flatMap((/** @type {any} */ { name, values }) =>
      values
        .filter((/** @type {any} */ { value }) => values.length > 1 || value !== "NOTSET")
        .map((/** @type {any} */ { value, ranks }) => ({
          text: `${name} ${value} ${ranks}`,
          cells: [h("code", {}, name), values.length > 1 ? h("b", {}, value) : value, ranks],
        })),
    );
    table.update(rows);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    message.textContent = "";
    const wanted = { logger: logger.value.trim(), level: level.value, span: span.value.trim(), ranks: state.numbers };
    const set = (/** @type {boolean} */ dry) => post(client, "/fleet/loglevel", { ...wanted, dry_run: dry });
    try {
      const { command } = await set(true);
      const title = `Set ${wanted.logger} to ${wanted.level} on ${state.scope}`;
      if (await propose(title, [], command, () => set(false))) await refresh();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      message.textContent = error.message;
    }
  });

  return {
    element: h("div", {}, failed, form, message, table.element),
    refresh,
    poll: () => (scope.textContent = state.scope),
  };
}

/** @param {Record<string, any>} attributes */
function input(attributes) {
  return /** @type {HTMLInputElement} */ (h("input", { type: "text", autocomplete: "off", ...attributes }));
}
