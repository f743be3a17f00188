// Changes and refused requests, newest first.

import { h } from "../dom.js";
import { format } from "../scales.js";
import { tableView } from "../table.js";
import { timed } from "../texts.js";
import { shownValue } from "../values.js";

export const view = tableView(
  { id: "audit", title: "Audit", route: "GET /audit", live: true },
  "audit",
  ["Time", "Caller", "Request", "Status", "Duration", "Details"],
  async (client) => (await client.json("/audit")).reverse().map(rowOf),
  "No changes and no refused requests since the start.",
);

/** @param {Record<string, any>} entry */
function rowOf(entry) {
  const { time, caller, level, address, method, path, status, seconds, outcome, ...rest } = entry;
  const origin = [level, address].filter(Boolean).join(", ");
  const when = timed(String(time ?? ""));
  const who = String(caller ?? "");
  const details = detailsOf({ ...(outcome !== "done" && { outcome }), ...rest });
  const others = [`${method} ${path}`, String(status ?? ""), format(seconds, "seconds"), details];
  const cells = [when, [who, h("p", { class: "note" }, origin)], ...others];
  return { text: [when, who, origin, ...others].join(" "), cells };
}

/** @param {Record<string, unknown>} details */
function detailsOf(details) {
  return Object.entries(details)
    .map(([name, value]) => `${name}: ${shownValue(value)}`)
    .filter((text) => !text.endsWith(": {}"))
    .join(", ");
}
