// Look up and explain tokens, test the cache with generated ones, and clear it.

import { errorText } from "../client.js";
import { roleButton } from "../controls.js";
import { h, input, replace, whileDisabled } from "../dom.js";
import { TOKENS_HINT, explanation, tokensOf } from "../explanation.js";
import { clearChoice } from "./cache_clear.js";

/** @type {View} */
export const view = { id: "cache", title: "Cache", route: "POST /cache/explain", create };

/** @param {Context} context */
function create(context) {
  const { client, requires, has, change } = context;
  const clearing = clearChoice(context);
  const tokens = input({ value: "0,1024", "aria-label": "Tokens" });
  const result = h("div", { role: "status", "aria-label": "Result" });

  /** @param {string} label @param {string} route @param {() => Promise<Node | string | null>} act */
  function button(label, route, act) {
    if (!has(route)) return null;
    const attempt = async () => {
      replace(result, shown((await act().catch(errorText)) ?? "Cancelled."));
      await context.refresh();
    };
    const control = roleButton(label, requires(route), () => whileDisabled(control, attempt));
    return control;
  }

  /** @param {string} verb */
  const range = (verb) => async () =>
    change({
      title: `${verb === "store" ? "Store" : "Retrieve"} the tokens ${tokens.value}`,
      method: "POST",
      path: `/cache/${verb}?tokens_mock=${encodeURIComponent(tokens.value)}`,
      command: ["cache", verb, "--tokens", tokens.value],
    });
  const explain = async () => {
    const wanted = tokensOf(tokens.value);
    const query = "range" in wanted ? `?tokens_mock=${encodeURIComponent(wanted.range)}` : "";
    const found = await client.send("POST", `/cache/explain${query}`, query ? undefined : wanted);
    return explanation(found, client.address);
  };

  const actions = [
    button("Look up and explain", "POST /cache/explain", explain),
    button("Store", "POST /cache/store", range("store")),
    button("Retrieve", "POST /cache/retrieve", range("retrieve")),
    clearing.choice,
    button("Clear…", clearing.route, async () => change(clearing.change())),
  ];
  const label = h("label", {}, "Tokens ", tokens);
  const controls = h("div", { class: "tools" }, label, h("span", { class: "tools" }, actions));
  const hint = h("p", { class: "quiet" }, TOKENS_HINT);
  return { element: h("div", {}, clearing.size, controls, hint, result), refresh: clearing.refresh };
}

/** @param {Node | string} content */
function shown(content) {
  return content instanceof Node ? content : h("pre", { tabindex: 0 }, content);
}
