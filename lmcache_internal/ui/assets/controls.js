// Buttons for changes, and the modes that every engine has.

import { h, replace } from "./dom.js";

/** @typedef {import("./change.js").Change} Change */

/**
 * Return a function that creates a button for a change. A button that the role does not allow is disabled, and names
 * the required role.
 * @param {import("./views.js").Context} context
 * @param {() => Promise<void>} refresh - called after a change
 */
export function buttons({ requires, change }, refresh) {
  /**
   * @param {string} label
   * @param {string} route - `METHOD /path`, with variables in braces
   * @param {Change | (() => Change)} wanted
   */
  return (label, route, wanted) => {
    const needed = requires(route);
    const act = async () => {
      if ((await change(typeof wanted === "function" ? wanted() : wanted)) !== null) await refresh();
    };
    const title = needed && `Requires the role ${needed}`;
    return h("button", { type: "button", disabled: Boolean(needed), title, onclick: act }, labelOf(label, needed));
  };
}

/** @param {string} label @param {string} needed - the role that the caller lacks, or "" */
export function labelOf(label, needed) {
  return needed ? `${label} (${needed})` : label;
}

/**
 * Return the controls to drain a rank, and a function that reads its state.
 * @param {import("./views.js").Context} context
 */
export function drainControls(context) {
  const state = h("span");
  const reason = input({ "aria-label": "Reason of the drain", placeholder: "Reason", maxlength: 200 });
  const minutes = input({ "aria-label": "Minutes", placeholder: "Minutes; empty: no end", pattern: "[0-9]{1,5}" });
  const actions = h("span", { class: "tools" });
  const button = buttons(context, refresh);

  async function refresh() {
    const found = await context.client.json("/admin/drain");
    const until = found.until ? ` until ${found.until}` : "";
    state.textContent = found.drained
      ? `Drained since ${found.since}${until}: ${found.reason || "no reason given"}.`
      : "In rotation.";
    reason.hidden = minutes.hidden = found.drained;
    replace(
      actions,
      found.drained
        ? button("Undrain", "POST /admin/undrain", UNDRAIN)
        : button("Drain", "POST /admin/drain", () => drainChange(reason.value.trim(), Number(minutes.value) * 60)),
    );
  }

  return { element: h("div", { class: "tools" }, state, reason, minutes, actions), refresh };
}

/** @type {Change} */
const UNDRAIN = {
  title: "Put the rank back into rotation",
  method: "POST",
  path: "/admin/undrain",
  command: ["undrain"],
};

/**
 * @param {string} reason
 * @param {number} seconds - 0 for a drain without an end
 * @returns {Change}
 */
export function drainChange(reason, seconds) {
  const end = seconds > 0 ? String(seconds) : "";
  const query = String(new URLSearchParams({ ...(reason && { reason }), ...(end && { seconds: end }) }));
  return {
    title: "Drain the rank: /readyz fails, and all other requests are served",
    method: "POST",
    path: `/admin/drain${query && `?${query}`}`,
    command: ["drain", ...(reason ? ["--reason", reason] : []), ...(end ? ["--seconds", end] : [])],
  };
}

/** @param {Record<string, any>} attributes */
function input(attributes) {
  return /** @type {HTMLInputElement} */ (h("input", { type: "text", ...attributes }));
}
