// Which tokens of a prompt the ranks have in their caches, and why not all: a row for each rank.

import { errorText } from "../client.js";
import { h, input, replace, whileDisabled } from "../dom.js";
import { TOKENS_HINT, summaryOf, tokensOf } from "../explanation.js";
import { table } from "../rows.js";
import { message } from "../texts.js";
import { failuresOf } from "./proposal.js";

/** @type {FleetView} */
export const view = { id: "explain", title: "Explain", create };

/** @param {FleetContext} context */
function create({ client, state }) {
  const tokens = input({ value: "0,1024", "aria-label": "Tokens" });
  const button = h("button", { class: "primary" }, "Look up and explain");
  const scope = h("b");
  const label = h("label", {}, "Tokens ", tokens);
  const form = h("form", { class: "tools" }, label, button, h("span", {}, "on ", scope));
  const result = h("div", { role: "status" });

  async function explain() {
    try {
      const wanted = { ...tokensOf(tokens.value), ranks: state.numbers };
      replace(result, resultOf(await client.send("POST", "/fleet/explain", wanted)));
    } catch (error) {
      replace(result, h("p", { class: "error" }, errorText(error)));
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    whileDisabled(button, explain);
  });
  const hint = h("p", { class: "quiet" }, TOKENS_HINT);
  const poll = () => (scope.textContent = state.scope);
  return { element: h("div", {}, form, hint, result), refresh: async () => {}, poll };
}

/** @param {{ranks: RankExplanation[], failed: Failures}} found */
function resultOf({ ranks, failed }) {
  const rows = ranks.map((found) => [
    h("a", { href: `/rank/${found.number}/ui#cache` }, `${found.number} ${found.name}`),
    summaryOf(found),
    found.reasons.length > 0 && h("div", {}, found.reasons.map(reasonOf)),
  ]);
  return [
    failuresOf("Not explained", failed),
    rows.length > 0 && table("Ranks", ["Rank", "Cached", "Why not all"], rows),
  ];
}

/** @param {{code: string, message: string, next_step: string}} reason */
function reasonOf({ code, message: text, next_step: next }) {
  const step = next && h("p", { class: "note" }, h("b", {}, "Next step: "), message(next));
  return h("div", {}, h("p", {}, message(text), h("span", { class: "quiet" }, ` (${code})`)), step);
}
