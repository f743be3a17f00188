// The quotas of an MP server: how much of L1 each cache salt may use.

import { buttons } from "../controls.js";
import { h, input, replace } from "../dom.js";
import { meter, table } from "../rows.js";
import { GIB, format } from "../scales.js";

/** @param {Context} context */
export function quotas(context) {
  const list = h("div");
  const salt = input({ "aria-label": "Cache salt", placeholder: "_default: no salt" });
  const limit = input({ "aria-label": "Limit in GiB", inputmode: "decimal", placeholder: "0.5" });
  const button = buttons(context);
  const set = h("span");
  const form = h(
    "p",
    { class: "tools" },
    h("label", {}, "Cache salt ", salt),
    h("label", {}, "Limit in GiB ", limit),
    set,
  );

  async function refresh() {
    const { users } = await context.client.json("/quota");
    const rows = Object.entries(users).map(([name, { limit_gb: most, current_usage_gb: used }]) => [
      name,
      h("span", {}, `${format(used * GIB, "bytes")} `, meter(`Usage of ${name}`, used, most)),
      `${most}\u00a0GiB`,
      button("Remove", "DELETE /quota/{cache_salt}", {
        title: `Remove the quota of ${name}`,
        method: "DELETE",
        path: `/quota/${encodeURIComponent(name)}`,
        command: ["quota", "delete", name],
      }),
    ]);
    const shown = table("Quotas", ["Cache salt", "Used", "Limit", "Action"], rows);
    replace(list, rows.length > 0 ? shown : h("p", {}, "No quotas."));
    const wanted = () => quotaChange(salt.value.trim(), limit.value);
    replace(set, button("Set quota", "PUT /quota/{cache_salt}", wanted));
  }

  return { element: h("div", {}, list, form), refresh };
}

/**
 * @param {string} salt - empty for requests without a salt
 * @param {string} limit - in GiB; the server refuses what is not a number
 * @returns {Change}
 */
export function quotaChange(salt, limit) {
  const name = salt || "_default";
  const number = Number(limit.replace(",", "."));
  const value = limit.trim() === "" || Number.isNaN(number) ? limit : number;
  return {
    title: `Set the quota of ${name} to ${limit} GiB`,
    method: "PUT",
    path: `/quota/${encodeURIComponent(name)}`,
    body: { limit_gb: value },
    command: ["quota", "set", name, "--limit-gb", String(value)],
  };
}
