// The environment variables of the process; secrets are masked by the server.

import { h } from "../dom.js";
import { FilterTable } from "../table.js";

/** @type {import("../views.js").View} */
export const view = {
  id: "environment",
  title: "Environment",
  route: "GET /env",
  create({ client }) {
    const table = new FilterTable("environment", ["Variable", "Value"]);
    const refresh = async () => {
      const variables = Object.entries(JSON.parse(await client.text("/env")));
      table.update(
        variables.map(([name, value]) => ({ text: `${name} ${value}`, cells: [h("code", {}, name), String(value)] })),
      );
    };
    return { element: table.element, refresh };
  },
};
