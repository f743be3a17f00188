// The storage backends and the modes of the engine.

import { buttons, drainControls } from "../controls.js";
import { h, replace } from "../dom.js";
import { table } from "../rows.js";

/** @typedef {ReturnType<typeof buttons>} Button */

/** @type {View} */
export const view = { id: "backends", title: "Backends", route: "GET /backends", live: true, create };

/** @param {Context} context */
function create(context) {
  const { client } = context;
  const list = h("div");
  const modes = h("div", { class: "tools" });
  const drain = drainControls(context);
  const button = buttons(context);
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
    replace(modes, modeControls(button, freeze.freeze, FREEZE), modeControls(button, hot.hot_cache, HOT_CACHE));
  }

  return { element: h("div", {}, modes, drain.element, list, h("p", {}, missing)), refresh };
}

/** What is shown while a mode is on and off. */
const FREEZE = {
  path: "/freeze",
  name: "freeze mode",
  on: ["Frozen: nothing is stored.", "Unfreeze"],
  off: ["Not frozen.", "Freeze"],
};
const HOT_CACHE = {
  path: "/hot_cache",
  name: "the hot cache",
  on: ["Hot cache on.", "Turn off"],
  off: ["Hot cache off.", "Turn on"],
};

/** @param {Button} button @param {boolean} isOn @param {typeof FREEZE} mode */
function modeControls(button, isOn, mode) {
  const [state, label] = isOn ? mode.on : mode.off;
  const path = `${mode.path}/${isOn ? "disable" : "enable"}`;
  const title = `${isOn ? "Disable" : "Enable"} ${mode.name}`;
  const command = [mode.path.slice(1).replace("_", "-"), isOn ? "off" : "on"];
  return [h("span", {}, state), button(label, `PUT ${path}`, { title, method: "PUT", path, command })];
}

/**
 * Return the changes that close, recreate and bypass a backend.
 * @param {string} name
 * @param {boolean} bypassed
 * @returns {Change[]}
 */
function changesOf(name, bypassed) {
  const path = `/backends/${encodeURIComponent(name)}`;
  const bypass = bypassed ? "remove" : "add";
  return [
    { title: `Close the backend ${name}`, method: "DELETE", path, command: ["backends", "close", name], type: name },
    {
      title: `Close and create the backend ${name} again`,
      method: "POST",
      path: `${path}/recreate`,
      command: ["backends", "recreate", name],
      type: name,
    },
    {
      title: bypassed ? `Use the backend ${name} again` : `Bypass the backend ${name}`,
      method: "PUT",
      path: `/bypass/${bypass}?backend_name=${encodeURIComponent(name)}`,
      command: ["bypass", bypass, name],
    },
  ];
}
