// The quotas of an MP server: how much of L1 each cache salt may use.

import { buttons } from "../controls.js";
import { h, replace } from "../dom.js";
import { meter, table } from "../rows.js";

/** @param {import("../views.js").Context} context */
export function quotas(context) {
  const list = h("div");
  const salt = input("Cache salt", { placeholder: "_default: requests without a salt" });
  const limit = input("Limit in GiB", { inputmode: "decimal", placeholder: "0.5" });
  const button = buttons(context, refresh);
  const set = h("span", {});
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
      h("span", {}, `${used.toPrecision(3)} GiB `, meter(`Usage of ${name}`, used, most)),
      `${most} GiB`,
      button("Remove", "DELETE /quota/{cache_salt}", {
        title: `Remove the quota of ${name}`,
        method: "DELETE",
        path: `/quota/${encodeURIComponent(name)}`,
        command: ["quota", "delete", name],
      }),
    ]);
    replace(
      list,
      rows.length > 0 ? table("Quotas", ["Cache salt", "Used", "Limit", "Action"], rows) : h("p", {}, "No quotas."),
    );
    replace(
      set,
      button("Set quota", "PUT /quota/{cache_salt}", () => quotaChange(salt.value.trim(), limit.value)),
    );
  }

  return { element: h("div", {}, list, form), refresh };
}

/**
 * @param {string} salt - empty for requests without a salt
 * @param {string} limit - in GiB; the server refuses what is not a number
 * @returns {import("../change.js").Change}
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

/** @param {string} label @param {Record<string, string>} attributes */
function input(label, attributes) {
  return /** @type {HTMLInputElement} */ (h("input", { type: "text", "aria-label": label, ...attributes }));
}
