// The last hundred requests, slowest first, without those of this page.

import { format } from "../scales.js";
import { tableView } from "../table.js";
import { moment } from "../texts.js";

export const view = tableView(
  { id: "requests", title: "Requests", route: "GET /ui/requests", live: true },
  "requests",
  ["Request", "Duration", "Status", "Time"],
  async (client) => (await client.json("/ui/requests")).map(rowOf),
  "None besides those of this page.",
);

/** @param {{time: number, method: string, path: string, status: number, seconds: number | null}} request */
function rowOf({ time, method, path, status, seconds }) {
  const cells = [`${method} ${path}`, format(seconds, "seconds"), String(status), moment(time * 1000)];
  return { text: cells.join(" "), cells };
}
