// The live configuration: values that differ from their default first, changes with a dry run, and undo.

import { buttons, roleButton } from "../controls.js";
import { h, replace, select } from "../dom.js";
import { copyButton } from "../rows.js";
import { FilterTable } from "../table.js";
import { timed } from "../texts.js";
import { shownValue } from "../values.js";
import { editSetting } from "./setting_editor.js";

/** @type {[string, string][]} */
const CHOICES = [
  ["all", "All settings"],
  ["default", "Differ from the default"],
  ["file", "Differ from the file"],
];

/** @type {View} */
export const view = { id: "configuration", title: "Configuration", route: "GET /conf", create };

/** @param {Context} context */
function create(context) {
  const { client, requires } = context;
  const columns = ["Setting", "Value", "Default", "Source", "Takes effect", "Action"];
  const table = new FilterTable("settings", columns);
  const history = h("ul", { class: "plain" });
  const differing = select({ "aria-label": "Shown settings", onchange: () => draw() }, CHOICES);
  const changed = h("div");
  const button = buttons(context);
  /** @type {Record<string, Setting>} */
  let settings = {};
  /** @type {Map<string, unknown>} */
  let started = new Map();

  /** @param {[string, Setting]} entry */
  const isShown = ([name, setting]) =>
    differing.value === "all" || (differing.value === "file" ? started.has(name) : differs(setting));

  function draw() {
    const shown = Object.entries(settings).filter(isShown);
    table.update(
      shown.map(([name, setting]) => ({
        text: `${name} ${shownValue(setting.value)} ${setting.description ?? ""}`,
        cells: cellsOf(name, setting),
      })),
    );
  }

  /** @param {string} name @param {Setting} setting */
  function cellsOf(name, setting) {
    const value = shownValue(setting.value);
    const before = started.has(name) && h("p", { class: "note" }, `at the start: ${shownValue(started.get(name))}`);
    const act = () => editSetting(context, name, setting, edit);
    const edit = roleButton("Edit", requires("POST /conf"), act, { "aria-label": `Edit ${name}` });
    return [
      [h("code", {}, name), h("p", { class: "note" }, setting.description)],
      [differs(setting) ? h("b", {}, value) : value, before],
      shownValue(setting.default),
      setting.source,
      setting.takes_effect ?? "",
      setting.mutable ? edit : h("span", { class: "quiet" }, "read-only"),
    ];
  }

  async function refresh() {
    const paths = ["/conf?details=true", "/conf/history"];
    const [details, { revisions }] = await Promise.all(paths.map((path) => client.json(path)));
    settings = details;
    started = startValues(revisions, settings);
    draw();
    replace(changed, fileDifference(started, settings));
    const items = revisions.map((/** @type {any} */ revision) => revisionItem(revision, button)).reverse();
    replace(history, items, items.length === 0 && h("li", {}, "No changes since the start."));
  }

  table.tools.prepend(differing);
  const parts = [table.element, h("h2", {}, "Difference to the file"), changed, h("h2", {}, "History"), history];
  return { element: h("div", {}, parts), refresh };
}

/**
 * @param {{number: number, time: string, changes: Record<string, {old: unknown, new: unknown}>}} revision
 * @param {ReturnType<typeof buttons>} button
 */
function revisionItem({ number, time, changes }, button) {
  const texts = Object.entries(changes).map(([name, to]) => `${name}: ${shownValue(to.old)} → ${shownValue(to.new)}`);
  const before = number - 1;
  const undo = button(`Back to revision ${before}`, "POST /conf/rollback", {
    title: `Restore the values of revision ${before}`,
    method: "POST",
    path: `/conf/rollback?to=${before}`,
    command: ["conf", "rollback", "--to", String(before)],
  });
  return h("li", {}, h("b", {}, `Revision ${number} `), `${timed(time)} `, h("code", {}, texts.join(", ")), " ", undo);
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
  const text = "These values are lost at a restart. To keep them, write them to the file: ";
  const copy = copyButton("Copy", () => lines);
  return [h("p", {}, text, copy), h("pre", {}, lines)];
}

/** @param {Setting} setting */
function differs(setting) {
  return JSON.stringify(setting.value) !== JSON.stringify(setting.default);
}
