// The live configuration: values that differ from their default first, changes with a dry run, and undo.

import { h, replace } from "../dom.js";
import { copyButton } from "../rows.js";
import { FilterTable } from "../table.js";

/** @typedef {{value: unknown, default: unknown, source: string, mutable: boolean, description?: string, takes_effect?: string}} Setting */

/** @type {import("../views.js").View} */
export const view = { id: "configuration", title: "Configuration", route: "GET /conf", create };

/** @param {import("../views.js").Context} context */
function create({ client, requires, change }) {
  const columns = ["Setting", "Value", "At the start", "Default", "Source", "Takes effect", "Action"];
  const table = new FilterTable("settings", columns);
  const history = h("ol", { class: "plain" });
  const differing = /** @type {HTMLSelectElement} */ (
    h(
      "select",
      { "aria-label": "Shown settings" },
      h("option", { value: "all" }, "All settings"),
      h("option", { value: "default" }, "Differ from the default"),
      h("option", { value: "file" }, "Differ from the file"),
    )
  );
  const changed = h("div");
  /** @type {Record<string, Setting>} */
  let settings = {};
  /** @type {Map<string, unknown>} */
  let started = new Map();

  /** @param {string} name @param {Setting} setting */
  const isShown = (name, setting) =>
    differing.value === "all" || (differing.value === "file" ? started.has(name) : differs(setting));

  function draw() {
    const needed = requires("POST /conf");
    const shown = Object.entries(settings).filter(([name, setting]) => isShown(name, setting));
    table.update(
      shown.map(([name, setting]) => ({
        text: `${name} ${shownValue(setting.value)} ${setting.description ?? ""}`,
        cells: cellsOf(name, setting, needed),
      })),
    );
  }

  /** @param {string} name @param {Setting} setting @param {string} needed */
  function cellsOf(name, setting, needed) {
    const value = shownValue(setting.value);
    const edit = h(
      "button",
      {
        disabled: Boolean(needed),
        title: needed && `Requires the role ${needed}`,
        "aria-label": `Edit ${name}`,
        onclick: () => editor(name, setting, edit),
      },
      "Edit",
    );
    return [
      h("span", { title: setting.description }, h("code", {}, name)),
      differs(setting) ? h("b", {}, value) : value,
      started.has(name) ? h("b", {}, shownValue(started.get(name))) : "same",
      shownValue(setting.default),
      setting.source,
      setting.takes_effect ?? "",
      setting.mutable ? edit : h("span", { class: "quiet" }, "read-only"),
    ];
  }

  /** @param {string} name @param {Setting} setting @param {HTMLElement} button */
  function editor(name, setting, button) {
    const input = /** @type {HTMLInputElement} */ (
      h("input", { type: "text", value: shownValue(setting.value), "aria-label": `New value of ${name}` })
    );
    const message = h("p", { role: "alert", class: "error" });
    const form = h("form", {}, input, h("button", {}, "Check and apply"), message);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      message.textContent = "";
      const values = { [name]: typedValue(input.value) };
      try {
        await client.request("POST", "/conf?atomic=true&dry_run=true", values);
      } catch (error) {
        message.textContent = error instanceof Error ? error.message : String(error);
        return;
      }
      const details = h(
        "p",
        {},
        `${shownValue(setting.value)} → ${input.value}. Takes effect ${setting.takes_effect ?? "at once"}.`,
      );
      const command = ["conf", "set", `${name}=${input.value}`];
      if (
        await change({
          title: `Set ${name}`,
          method: "POST",
          path: "/conf?atomic=true",
          body: values,
          command,
          details,
        })
      )
        await refresh();
    });
    button.replaceWith(form);
    input.select();
  }

  async function refresh() {
    const [details, revisions] = await Promise.all([client.json("/conf?details=true"), client.json("/conf/history")]);
    settings = details;
    started = startValues(revisions.revisions, settings);
    draw();
    replace(changed, fileDifference(started, settings));
    const needed = requires("POST /conf/rollback");
    replace(history, revisions.revisions.map((/** @type {any} */ revision) => revisionOf(revision, needed)).reverse());
  }

  /**
   * @param {{number: number, time: string, changes: Record<string, {old: unknown, new: unknown}>}} revision
   * @param {string} needed
   */
  function revisionOf({ number, time, changes }, needed) {
    const texts = Object.entries(changes).map(([name, to]) => `${name}: ${shownValue(to.old)} → ${shownValue(to.new)}`);
    const before = number - 1;
    const wanted = {
      title: `Restore the values of revision ${before}`,
      method: "POST",
      path: `/conf/rollback?to=${before}`,
      command: ["conf", "rollback", "--to", String(before)],
    };
    const act = async () => (await change(wanted)) !== null && (await refresh());
    const title = needed && `Requires the role ${needed}`;
    const undo = h("button", { disabled: Boolean(needed), title, onclick: act }, `Back to revision ${before}`);
    return h("li", {}, h("b", {}, `Revision ${number} `), `${time} `, h("code", {}, texts.join(", ")), " ", undo);
  }

  differing.addEventListener("change", draw);
  const difference = [h("h2", {}, "Difference to the file"), changed];
  const parts = [h("p", {}, differing), table.element, ...difference, h("h2", {}, "History"), history];
  return { element: h("div", {}, parts), refresh };
}

/**
 * Return the values that the changed settings had at the start, when the file was read.
 * @param {{changes: Record<string, {old: unknown}>}[]} revisions - oldest first
 * @param {Record<string, Setting>} settings
 * @returns {Map<string, unknown>}
 */
export function startValues(revisions, settings) {
  /** @type {Map<string, unknown>} */
  const first = new Map();
  for (const { changes } of revisions)
    for (const [name, { old }] of Object.entries(changes)) if (!first.has(name)) first.set(name, old);
  return new Map([...first].filter(([name, old]) => JSON.stringify(settings[name]?.value) !== JSON.stringify(old)));
}

/**
 * @param {Map<string, unknown>} started
 * @param {Record<string, Setting>} settings
 */
function fileDifference(started, settings) {
  if (started.size === 0) return [h("p", {}, "None: each value is that of the start.")];
  const names = [...started.keys()];
  const lines = names.map((name) => `${name}: ${JSON.stringify(settings[name]?.value)}`).join("\n");
  const text = "These values are lost at a restart. To keep them, write them to the file:";
  return [
    h(
      "p",
      {},
      text,
      " ",
      copyButton("Copy", () => lines),
    ),
    h("pre", {}, lines),
  ];
}

/** @param {Setting} setting */
function differs(setting) {
  return JSON.stringify(setting.value) !== JSON.stringify(setting.default);
}

/** @param {unknown} value */
function shownValue(value) {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "–");
}

/**
 * Return what a user typed as JSON, or as text if it is not JSON.
 * @param {string} text
 * @returns {unknown}
 */
export function typedValue(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
