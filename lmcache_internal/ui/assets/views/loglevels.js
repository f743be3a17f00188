// The log levels of the process: set for a time, or reset.

import { buttons, roleButton } from "../controls.js";
import { h } from "../dom.js";
import { levelFields } from "../levels.js";
import { FilterTable } from "../table.js";

/** @type {View} */
export const view = { id: "loglevels", title: "Log levels", route: "GET /loglevel", create };

/** @param {Context} context */
function create(context) {
  const { client, requires, change, refresh: again } = context;
  const table = new FilterTable("log levels", ["Logger", "Level", "Action"]);
  const fields = levelFields();
  const needed = requires("PUT /loglevel");
  const set = roleButton("Set", needed, () => {}, { class: "primary", type: "submit" });
  const form = h("form", { class: "tools" }, fields.labels, set);
  const button = buttons(context);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { logger, level, time } = fields.read();
    if ((await change(levelChange(logger, level, time))) !== null) await again();
  });

  /** @param {string} name */
  const reset = (name) =>
    button("Reset", "PUT /loglevel", levelChange(name, "NOTSET", ""), { "aria-label": `Reset ${name}` });

  async function refresh() {
    const lines = (await client.text("/loglevel")).split("\n").slice(1).filter(Boolean);
    const loggers = lines.map((line) => ({
      name: line.slice(0, line.lastIndexOf(": ")),
      level: line.slice(line.lastIndexOf(": ") + 2),
    }));
    loggers.sort((a, b) => Number(a.level === "NOTSET") - Number(b.level === "NOTSET") || a.name.localeCompare(b.name));
    table.update(
      loggers.map(({ name, level }) => ({
        text: `${name} ${level}`,
        cells: [h("code", {}, name), level, level === "NOTSET" ? null : reset(name)],
      })),
    );
  }

  return { element: h("div", {}, form, table.element), refresh };
}

/** @param {string} logger @param {string} level @param {string} time @returns {Change} */
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
