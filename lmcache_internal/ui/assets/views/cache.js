// Look up and explain tokens, test the cache with generated ones, and clear it.

import { ApiError } from "../client.js";
import { labelOf } from "../controls.js";
import { h, replace } from "../dom.js";
import { explanation } from "../explanation.js";
import { clearChoice } from "./cache_clear.js";

/** @type {import("../views.js").View} */
export const view = { id: "cache", title: "Cache", route: "POST /cache/explain", create };

/** @param {import("../views.js").Context} context */
function create(context) {
  const { client, requires, has, change } = context;
  const clearing = clearChoice(context);
  const tokens = /** @type {HTMLInputElement} */ (
    h("input", { type: "text", value: "0,1024", "aria-label": "Tokens" })
  );
  const result = h("div", { role: "status", "aria-label": "Result" });

  /** @param {string} label @param {string} route @param {() => Promise<Node | string | null>} act */
  function button(label, route, act) {
    const needed = requires(route);
    const control = h(
      "button",
      { type: "button", disabled: Boolean(needed), title: needed && `Requires the role ${needed}` },
      labelOf(label, needed),
    );
    control.addEventListener("click", async () => {
      try {
        replace(result, shown((await act()) ?? "Cancelled."));
      } catch (error) {
        replace(result, shown(error instanceof ApiError ? `${error.status}: ${error.message}` : String(error)));
      }
      await clearing.refresh();
    });
    return has(route) ? control : null;
  }

  /** @param {string} verb */
  const range = (verb) => () =>
    change({
      title: `${verb === "store" ? "Store" : "Retrieve"} the tokens ${tokens.value}`,
      method: "POST",
      path: `/cache/${verb}?tokens_mock=${encodeURIComponent(tokens.value)}`,
      command: ["cache", verb, "--tokens", tokens.value],
    });
  const explain = async () => {
    const { path, body } = explainRequest(tokens.value);
    return explanation(await (await client.request("POST", path, body)).json());
  };

  const controls = h("span", { class: "tools" });
  const label = h("label", {}, "Tokens: ", tokens);
  const hint = h("p", { class: "quiet" }, "A range, such as 0,1024, or the tokens of a prompt as a list: [1, 2, 3].");
  const element = h("div", {}, clearing.size, h("div", { class: "tools" }, label, controls), hint, result);

  async function refresh() {
    replace(
      controls,
      button("Look up and explain", "POST /cache/explain", explain),
      button("Store", "POST /cache/store", range("store")),
      button("Retrieve", "POST /cache/retrieve", range("retrieve")),
      clearing.choice,
      button("Clear…", clearing.route(), () => change(clearing.change())),
    );
    await clearing.refresh();
  }
  return { element, refresh };
}

/** @param {Node | string} content */
function shown(content) {
  return content instanceof Node ? content : h("pre", { tabindex: 0 }, content);
}

/**
 * Return the request that explains a range (`0,1024`) or a list of tokens (`[1, 2]`, `1 2`).
 * @param {string} text
 * @returns {{path: string, body?: {tokens: number[]}}}
 */
export function explainRequest(text) {
  const isRange = /^\s*\d+\s*[,:]\s*\d+\s*$/.test(text);
  if (isRange) return { path: `/cache/explain?tokens_mock=${encodeURIComponent(text.replace(/\s/g, ""))}` };
  return { path: "/cache/explain", body: { tokens: (text.match(/-?\d+/g) ?? []).map(Number) } };
}
