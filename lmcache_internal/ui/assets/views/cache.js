// Test the cache with generated tokens, explain a miss, and clear it.

import { ApiError } from "../client.js";
import { h } from "../dom.js";
import { Scrape, parse } from "../exposition.js";
import { format } from "../scales.js";

/** @type {import("../views.js").View} */
export const view = { id: "cache", title: "Cache", route: "POST /cache/store", create };

/** @param {import("../views.js").Context} context */
function create({ client, requires, change }) {
  const size = h("p");
  const tokens = /** @type {HTMLInputElement} */ (
    h("input", { type: "text", value: "0,1024", pattern: "[0-9]+[,:][0-9]+", required: true })
  );
  const result = h("pre", { role: "status", "aria-label": "Result", tabindex: 0 });

  /** @param {string} label @param {string} route @param {() => Promise<string | null>} act */
  function button(label, route, act) {
    const control = h("button", { type: "button" }, label);
    control.addEventListener("click", async () => {
      try {
        result.textContent = (await act()) ?? "Cancelled.";
      } catch (error) {
        result.textContent = error instanceof ApiError ? `${error.status}: ${error.message}` : String(error);
      }
      await refresh();
    });
    return { control, route, label };
  }

  /** @param {string} verb */
  const range = (verb) => () => {
    const path = `/cache/${verb}?tokens_mock=${encodeURIComponent(tokens.value)}`;
    const command = ["cache", verb, "--tokens", tokens.value];
    return change({
      title: `${verb === "store" ? "Store" : "Retrieve"} the tokens ${tokens.value}`,
      method: "POST",
      path,
      command,
    });
  };
  const clear = () =>
    change({
      title: "Clear the cache in memory",
      method: "DELETE",
      path: "/cache/clear",
      command: ["cache", "clear"],
      type: "clear",
      details: h("p", {}, `Now: ${size.textContent} The chunks in memory are removed.`),
    });
  const buttons = [
    button("Store", "POST /cache/store", range("store")),
    button("Retrieve", "POST /cache/retrieve", range("retrieve")),
    button("Clear…", "DELETE /cache/clear", clear),
  ];

  async function refresh() {
    for (const { control, route, label } of buttons) {
      const needed = requires(route);
      control.textContent = needed ? `${label} (${needed})` : label;
      control.toggleAttribute("disabled", Boolean(needed));
    }
    const names = ["lmcache:local_cache_usage", "lmcache:local_storage_usage", "lmcache:local_cpu_hot_cache_count"];
    const scrape = new Scrape(
      parse(await client.text(`/metrics?${names.map((name) => `name[]=${name}`).join("&")}`)),
      0,
    );
    const [memory, disk, chunks] = names.map((name) => scrape.sum(name));
    size.textContent = `${format(chunks, "number")} chunks in memory (${format(memory, "bytes")}), ${format(disk, "bytes")} on disk.`;
  }

  const label = h("label", {}, "Tokens from, to: ", tokens);
  const tools = h(
    "p",
    { class: "tools" },
    label,
    buttons.map(({ control }) => control),
  );
  return { element: h("div", {}, size, tools, result), refresh };
}
