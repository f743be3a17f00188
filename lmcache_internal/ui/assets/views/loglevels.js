// The log levels of the process: set for a time, or reset.

import { h, replace } from "../dom.js";
import { FilterTable } from "../table.js";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTSET"];

/** @type {import("../views.js").View} */
export const view = { id: "loglevels", title: "Log levels", route: "GET /loglevel", create };

/** @param {import("../views.js").Context} context */
function create({ client, requires, change }) {
  const table = new FilterTable("log levels", ["Logger", "Level", "Action"]);
  const name = field("Logger", h("input", { type: "text", name: "logger", required: true, placeholder: "lmcache" }));
  const level = field(
    "Level",
    h(
      "select",
      {},
      LEVELS.map((known) => h("option", {}, known)),
    ),
  );
  const time = field(
    "For",
    h("input", { type: "text", placeholder: "10m; empty: until restart", pattern: "[0-9]{1,7}[smh]?" }),
  );
  const set = h("button", { class: "primary" }, "Set");
  const form = h("form", { class: "tools" }, name.label, level.label, time.label, set);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await change(levelChange(name.value(), level.value(), time.value().trim()))) await refresh();
  });

  async function refresh() {
    const needed = requires("PUT /loglevel");
    replace(set, needed ? `Set (${needed})` : "Set");
    set.toggleAttribute("disabled", Boolean(needed));
    const lines = (await client.text("/loglevel")).split("\n").slice(1).filter(Boolean);
    const loggers = lines.map((line) => ({
      name: line.slice(0, line.lastIndexOf(": ")),
      level: line.slice(line.lastIndexOf(": ") + 2),
    }));
    loggers.sort((a, b) => Number(a.level === "NOTSET") - Number(b.level === "NOTSET") || a.name.localeCompare(b.name));
    table.update(
      loggers.map((logger) => ({
        text: `${logger.name} ${logger.level}`,
        cells: [h("code", {}, logger.name), logger.level, resetButton(logger, needed)],
      })),
    );
  }

  /** @param {{name: string, level: string}} logger @param {string} needed */
  function resetButton(logger, needed) {
    if (logger.level === "NOTSET") return null;
    const act = async () => (await change(levelChange(logger.name, "NOTSET", ""))) && (await refresh());
    return h(
      "button",
      { disabled: Boolean(needed), title: needed && `Requires the role ${needed}`, onclick: act },
      "Reset",
    );
  }

  return { element: h("div", {}, form, table.element), refresh };
}

/** @param {string} logger @param {string} level @param {string} time @returns {import("../change.js").Change} */
export function levelChange(logger, level, time) {
  const query = new URLSearchParams({ logger_name: logger, level, ...(time && { for: time }) });
  const title =
    level === "NOTSET"
      ? `Reset the level of ${logger}`
      : `Set the level of ${logger} to ${level}${time && ` for ${time}`}`;
  return {
    title,
    method: "PUT",
    path: `/loglevel?${query}`,
    command: ["loglevel", logger, level, ...(time ? ["--for", time] : [])],
  };
}

/** @param {string} text @param {HTMLElement} control */
function field(text, control) {
  return { label: h("label", {}, `${text} `, control), value: () => /** @type {HTMLInputElement} */ (control).value };
}
