// Buttons for changes, and the modes that every engine has.

import { h, input, replace } from "./dom.js";
import { timed } from "./texts.js";

/**
 * Return a button. If the role does not allow what it does, it is disabled and names the required role.
 * @param {string} label
 * @param {string} needed - the role that the caller lacks, or ""
 * @param {() => unknown} act
 * @param {Record<string, any>} [more] - attributes
 */
export function roleButton(label, needed, act, more) {
  const title = needed && `Requires the role ${needed}`;
  const attributes = { type: "button", disabled: Boolean(needed), title, onclick: act, ...more };
  return h("button", attributes, needed ? `${label} (${needed})` : label);
}

/**
 * Return a function that creates a button for a change.
 * @param {Context} context
 */
export function buttons({ requires, change, refresh }) {
  /**
   * @param {string} label
   * @param {string} route - `METHOD /path`, with variables in braces
   * @param {Change | (() => Change)} wanted
   * @param {Record<string, any>} [more] - attributes
   */
  return (label, route, wanted, more) => {
    const act = async () => {
      if ((await change(typeof wanted === "function" ? wanted() : wanted)) !== null) await refresh();
    };
    return roleButton(label, requires(route), act, more);
  };
}

/**
 * Return the controls to drain a rank, and a function that reads its state.
 * @param {Context} context
 */
export function drainControls(context) {
  const state = h("span");
  const reason = input({ "aria-label": "Reason of the drain", placeholder: "Reason", maxlength: 200 });
  const minutes = input({ "aria-label": "Minutes", placeholder: "Minutes; empty: no end" });
  const actions = h("span", { class: "tools" });
  const button = buttons(context);

  async function refresh() {
    const found = await context.client.json("/admin/drain");
    const until = found.until ? ` until ${found.until}` : "";
    state.textContent = found.drained
      ? timed(`Drained since ${found.since}${until}: ${found.reason || "no reason given"}.`)
      : "In rotation.";
    reason.hidden = minutes.hidden = found.drained;
    const drain = () => drainChange(reason.value.trim(), minutes.value.trim());
    const undrain = button("Undrain", "POST /admin/undrain", UNDRAIN);
    replace(actions, found.drained ? undrain : button("Drain", "POST /admin/drain", drain));
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
 * @param {string} minutes - the server refuses what is not a number; empty for no end
 * @returns {Change}
 */
export function drainChange(reason, minutes) {
  const end = String(Number(minutes) * 60 || minutes);
  const query = String(new URLSearchParams({ ...(reason && { reason }), ...(end && { seconds: end }) }));
  return {
    title: "Drain the rank: /readyz fails, and all other requests are served",
    method: "POST",
    path: `/admin/drain${query && `?${query}`}`,
    command: ["drain", ...(reason ? ["--reason", reason] : []), ...(end ? ["--seconds", end] : [])],
  };
}
