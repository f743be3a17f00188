// A form that proposes a change of ranks. Its button is disabled, with the reason, while the roles at the ranks do not
// allow the change.

import { errorText } from "../client.js";
import { h, setText } from "../dom.js";

let count = 0;

/**
 * @param {Child[]} fields
 * @param {string} label - of the button
 * @param {() => Promise<void>} act - proposes the change
 */
export function proposalForm(fields, label, act) {
  const id = `refusal-${++count}`;
  const button = h("button", { class: "primary", "aria-describedby": id }, label);
  const reason = h("span", { id, class: "needed" });
  const scope = h("b");
  const message = h("p", { role: "alert", class: "error" });
  const element = h("form", { class: "tools" }, fields, button, h("span", {}, "on ", scope), reason);

  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    message.textContent = "";
    try {
      await act();
    } catch (error) {
      message.textContent = errorText(error);
    }
  });

  /**
   * Show what the change applies to, and whether it is allowed.
   * @param {FleetState} state
   * @param {string} view - the id of the view that makes the change
   */
  function show(state, view) {
    const refusal = state.refusal(view);
    button.disabled = Boolean(refusal);
    setText(reason, refusal);
    setText(scope, state.scope);
  }
  return { element, message, show };
}
