// The last hundred requests, slowest first, without those of this page.

import { clock } from "../chart.js";
import { format } from "../scales.js";
import { FilterTable } from "../table.js";

/** @type {import("../views.js").View} */
export const view = {
  id: "requests",
  title: "Requests",
  route: "GET /ui/requests",
  live: true,
  create({ client }) {
    const table = new FilterTable("requests", ["Duration", "Request", "Status", "Time"]);
    const refresh = async () => table.update((await client.json("/ui/requests")).map(rowOf));
    return { element: table.element, refresh };
  },
};

/** @param {{time: number, method: string, path: string, status: number, seconds: number | null}} request */
function rowOf({ time, method, path, status, seconds }) {
  const cells = [format(seconds, "seconds"), `${method} ${path}`, String(status), clock(time * 1000)];
  return { text: cells.join(" "), cells };
}
