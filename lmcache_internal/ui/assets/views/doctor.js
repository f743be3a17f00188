// Known troubles of this rank: findings with evidence and next step, and what was checked.

import { h, replace } from "../dom.js";
import { advice } from "../next_step.js";
import { message } from "../texts.js";

const SYMBOLS = /** @type {Record<string, string>} */ ({ error: "✘", warning: "▲", notice: "●" });

/** @type {View} */
export const view = { id: "doctor", title: "Doctor", route: "GET /doctor", create };

/** @param {Context} context */
function create({ client, refresh: again }) {
  const result = h("div", { role: "status" });
  const refresh = async () => replace(result, ...parts(await client.json("/doctor"), client.address));
  const button = h("button", { type: "button", onclick: again }, "Examine again");
  return { element: h("div", {}, h("p", { class: "tools" }, button), result), refresh };
}

/** @param {Report} report @param {Address} address */
function parts({ findings, checked, not_checked: skipped }, address) {
  return [
    findings.length === 0 && h("p", { class: "badge ok" }, "✔ Nothing found in this rank"),
    ...findings.map((found) => finding(found, address)),
    details(`Checked: ${checked.length}`, [h("p", {}, checked.join(", ") || "nothing")]),
    details(
      `Not checked: ${skipped.length}`,
      [...byReason(skipped)].map(([why, codes]) => h("p", {}, h("b", {}, why), `: ${codes.join(", ")}`)),
    ),
  ];
}

/** @param {Finding} found @param {Address} address */
function finding(found, address) {
  return h(
    "section",
    { class: `group ${found.severity}` },
    h("h2", {}, `${SYMBOLS[found.severity] ?? ""} ${found.title}`),
    h("p", { class: "quiet" }, `${found.severity}, ${found.code}`),
    h("p", {}, message(found.message)),
    advice(found, address),
    found.reference && h("p", { class: "quiet" }, `See ${found.reference}`),
  );
}

/** @param {string} summary @param {Node[]} content */
function details(summary, content) {
  return h("details", { class: "group" }, h("summary", {}, summary), content);
}

/**
 * Return the codes of each reason why rules did not run.
 * @param {{code: string, why: string}[]} skipped
 */
export function byReason(skipped) {
  /** @type {Map<string, string[]>} */
  const reasons = new Map();
  for (const { code, why } of skipped) reasons.set(why, [...(reasons.get(why) ?? []), code]);
  return reasons;
}
