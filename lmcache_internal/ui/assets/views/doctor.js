// Known troubles of this rank: findings with evidence and next step, and what was checked.

import { h, replace } from "../dom.js";

/** @typedef {{code: string, title: string, severity: string, message: string, evidence: Record<string, unknown>, next_step: string, reference: string}} Finding */
/** @typedef {{findings: Finding[], checked: string[], not_checked: {code: string, why: string}[]}} Report */

const SYMBOLS = /** @type {Record<string, string>} */ ({ error: "✘", warning: "▲", notice: "●" });

/** @type {import("../views.js").View} */
export const view = { id: "doctor", title: "Doctor", route: "GET /doctor", create };

/** @param {import("../views.js").Context} context */
function create({ client }) {
  const result = h("div", { role: "status" });
  const refresh = async () => replace(result, ...parts(await client.json("/doctor")));
  const again = h("button", { type: "button", onclick: () => refresh().catch(() => {}) }, "Examine again");
  return { element: h("div", {}, h("p", { class: "tools" }, again), result), refresh };
}

/** @param {Report} report */
function parts({ findings, checked, not_checked: skipped }) {
  const none = h("p", { class: "badge ok" }, "✔ Nothing found in this rank");
  return [
    findings.length === 0 ? none : null,
    ...findings.map(finding),
    details(`Checked: ${checked.length}`, [h("p", {}, checked.join(", ") || "nothing")]),
    details(
      `Not checked: ${skipped.length}`,
      [...byReason(skipped)].map(([why, codes]) => h("p", {}, h("b", {}, why), `: ${codes.join(", ")}`)),
    ),
  ];
}

/** @param {Finding} found */
function finding(found) {
  return h(
    "section",
    { class: `group ${found.severity}` },
    h("h2", {}, `${SYMBOLS[found.severity] ?? ""} ${found.title}`),
    h("p", { class: "quiet" }, `${found.severity}, ${found.code}`),
    h("p", {}, found.message),
    h("p", {}, h("b", {}, "Next step: "), found.next_step),
    details("Evidence", [h("pre", {}, JSON.stringify(found.evidence, null, 2))]),
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
