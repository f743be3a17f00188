// The storage backends and the modes of the engine.

import { buttons, drainControls } from "../controls.js";
import { h, replace } from "../dom.js";
import { table } from "../rows.js";

/** @type {import("../views.js").View} */
export const view = { id: "backends", title: "Backends", route: "GET /backends", live: true, create };

/** @param {import("../views.js").Context} context */
function create(context) {
  const { client } = context;
  const list = h("div");
  const modes = h("div", { class: "tools" });
  const drain = drainControls(context);
  const button = buttons(context, refresh);
  const missing = button("Create missing backends", "POST /backends", {
    title: "Create the configured backends that do not exist",
    method: "POST",
    path: "/backends",
    command: ["backends", "create"],
  });

  /** @param {string} name @param {string} kind @param {boolean} bypassed */
  function row(name, kind, bypassed) {
    const [close, recreate, bypass] = changesOf(name, bypassed);
    const actions = h(
      "span",
      { class: "tools" },
      button(bypassed ? "Use again" : "Bypass", `PUT /bypass/${bypassed ? "remove" : "add"}`, bypass),
      button("Recreate", "POST /backends/{name}/recreate", recreate),
      button("Close", "DELETE /backends/{name}", close),
    );
    return [name, kind, bypassed ? "bypassed" : "in use", actions];
  }

  async function refresh() {
    const [backends, bypass, freeze, hot] = await Promise.all([
      client.json("/backends"),
      client.json("/bypass/list"),
      client.json("/freeze/status"),
      client.json("/hot_cache/status"),
      drain.refresh(),
    ]);
    const rows = Object.entries(backends).map(([name, kind]) =>
      row(name, String(kind), bypass.bypassed_backends.includes(name)),
    );
    replace(list, table("Backends", ["Name", "Class", "State", "Actions"], rows));
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

  return { element: h("div", {}, modes, drain.element, list, h("p", {}, missing)), refresh };
}

/**
 * Return the changes that close, recreate and bypass a backend.
 * @param {string} name
 * @param {boolean} bypassed
 * @returns {import("../change.js").Change[]}
 */
function changesOf(name, bypassed) {
  const encoded = encodeURIComponent(name);
  const word = bypassed ? "remove" : "add";
  return [
    {
      title: `Close the backend ${name}`,
      method: "DELETE",
      path: `/backends/${encoded}`,
      command: ["backends", "close", name],
      type: name,
    },
    {
      title: `Close and create the backend ${name} again`,
      method: "POST",
      path: `/backends/${encoded}/recreate`,
      command: ["backends", "recreate", name],
      type: name,
    },
    {
      title: bypassed ? `Use the backend ${name} again` : `Bypass the backend ${name}`,
      method: "PUT",
      path: `/bypass/${word}?backend_name=${encoded}`,
      command: ["bypass", word, name],
    },
  ];
}
