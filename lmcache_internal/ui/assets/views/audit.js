// Changes and refused requests, newest first.

import { FilterTable } from "../table.js";

/** @type {import("../views.js").View} */
export const view = {
  id: "audit",
  title: "Audit",
  route: "GET /audit",
  live: true,
  create({ client }) {
    const table = new FilterTable("audit", ["Time", "Caller", "Request", "Status", "Details"]);
    const refresh = async () => {
      const entries = await client.json("/audit");
      table.update(entries.reverse().map(rowOf));
    };
    return { element: table.element, refresh };
  },
};

/** @param {Record<string, any>} entry */
function rowOf(entry) {
  const { time, caller, method, path, status, ...rest } = entry;
  const cells = [
    String(time ?? ""),
    String(caller ?? ""),
    `${method} ${path}`,
    String(status ?? ""),
    JSON.stringify(rest),
  ];
  return { text: cells.join(" "), cells };
}
