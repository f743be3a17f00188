// The environment variables of the process; secrets are masked by the server.

import { namedRow, tableView } from "../table.js";

export const view = tableView(
  { id: "environment", title: "Environment", route: "GET /env" },
  "environment",
  ["Variable", "Value"],
  async (client) => {
    const variables = JSON.parse(await client.text("/env"));
    return Object.entries(variables).map(([name, value]) => namedRow(name, String(value)));
  },
);
