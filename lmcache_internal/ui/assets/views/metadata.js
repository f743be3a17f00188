// What the engine is: model, rank, shapes, versions.

import { FilterTable } from "../table.js";

/** @type {import("../views.js").View} */
export const view = {
  id: "metadata",
  title: "Metadata",
  route: "GET /meta",
  create({ client }) {
    const table = new FilterTable("metadata", ["Name", "Value"]);
    const refresh = async () => {
      const [meta, version] = await Promise.all([client.json("/meta"), client.json("/version")]);
      const rows = Object.entries({ version, ...meta }).map(([name, value]) => {
        const text = typeof value === "string" ? value : JSON.stringify(value);
        return { text: `${name} ${text}`, cells: [name, text] };
      });
      table.update(rows);
    };
    return { element: table.element, refresh };
  },
};
