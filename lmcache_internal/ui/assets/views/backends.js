// The storage backends and the modes of the engine.

import { h, replace } from "../dom.js";

/** @type {import("../views.js").View} */
export const view = { id: "backends", title: "Backends", route: "GET /backends", live: true, create };

/** @param {import("../views.js").Context} context */
function create({ client, requires, change }) {
  const rows = h("tbody");
  const modes = h("div", { class: "tools" });
  const head = h(
    "tr",
    {},
    ["Name", "Class", "State", "Actions"].map((name) => h("th", { scope: "col" }, name)),
  );
  const table = h("table", {}, h("caption", { class: "hidden" }, "Backends"), h("thead", {}, head), rows);

  /**
   * @param {string} label
   * @param {string} route - `METHOD /path`, with variables in braces
   * @param {import("../change.js").Change} wanted
   */
  function button(label, route, wanted) {
    const needed = requires(route);
    const act = async () => (await change(wanted)) && (await refresh());
    return h(
      "button",
      { disabled: Boolean(needed), title: needed && `Requires the role ${needed}`, onclick: act },
      needed ? `${label} (${needed})` : label,
    );
  }

  /** @param {string} name @param {string} kind @param {boolean} bypassed */
  function row(name, kind, bypassed) {
    const encoded = encodeURIComponent(name);
    const word = bypassed ? "remove" : "add";
    const bypass = {
      title: bypassed ? `Use the backend ${name} again` : `Bypass the backend ${name}`,
      method: "PUT",
      path: `/bypass/${word}?backend_name=${encoded}`,
      command: ["bypass", word, name],
    };
    const close = {
      title: `Close the backend ${name}`,
      method: "DELETE",
      path: `/backends/${encoded}`,
      command: ["backends", "close", name],
      type: name,
    };
    const recreate = {
      title: `Close and create the backend ${name} again`,
      method: "POST",
      path: `/backends/${encoded}/recreate`,
      command: ["backends", "recreate", name],
      type: name,
    };
    return h("tr", {}, [
      h("th", { scope: "row" }, name),
      h("td", {}, kind),
      h("td", {}, bypassed ? "bypassed" : "in use"),
      h(
        "td",
        { class: "tools" },
        button(bypassed ? "Use again" : "Bypass", `PUT /bypass/${word}`, bypass),
        button("Recreate", "POST /backends/{name}/recreate", recreate),
        button("Close", "DELETE /backends/{name}", close),
      ),
    ]);
  }

  async function refresh() {
    const [backends, bypass, freeze, hot] = await Promise.all([
      client.json("/backends"),
      client.json("/bypass/list"),
      client.json("/freeze/status"),
      client.json("/hot_cache/status"),
    ]);
    replace(
      rows,
      Object.entries(backends).map(([name, kind]) => row(name, String(kind), bypass.bypassed_backends.includes(name))),
    );
    const frozen = freeze.freeze ? "disable" : "enable";
    const hotWord = hot.hot_cache ? "disable" : "enable";
    replace(
      modes,
      h("span", {}, freeze.freeze ? "Frozen: nothing is stored." : "Not frozen."),
      button(freeze.freeze ? "Unfreeze" : "Freeze", `PUT /freeze/${frozen}`, {
        title: `${freeze.freeze ? "Disable" : "Enable"} freeze mode`,
        method: "PUT",
        path: `/freeze/${frozen}`,
        command: ["freeze", freeze.freeze ? "off" : "on"],
      }),
      h("span", {}, hot.hot_cache ? "Hot cache on." : "Hot cache off."),
      button(hot.hot_cache ? "Turn off" : "Turn on", `PUT /hot_cache/${hotWord}`, {
        title: `${hot.hot_cache ? "Disable" : "Enable"} the hot cache`,
        method: "PUT",
        path: `/hot_cache/${hotWord}`,
        command: ["hot-cache", hot.hot_cache ? "off" : "on"],
      }),
    );
  }

  return {
    element: h(
      "div",
      {},
      modes,
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Backends" }, table),
    ),
    refresh,
  };
}
