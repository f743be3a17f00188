// What the engine is: model, rank, shapes, versions.

import { namedRow, tableView } from "../table.js";
import { shownValue } from "../values.js";

export const view = tableView(
  { id: "metadata", title: "Metadata", route: "GET /meta" },
  "metadata",
  ["Name", "Value"],
  async (client) => {
    const [meta, version] = await Promise.all([client.json("/meta"), client.json("/version")]);
    return Object.entries({ version, ...meta }).map(([name, value]) => namedRow(name, shownValue(value)));
  },
);
