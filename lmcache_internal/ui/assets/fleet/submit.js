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

  let busy = false;

  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    message.textContent = "";
    setText(reason, "Asking the ranks…"); // A rank that hangs takes 15 s.
    try {
      await act();
    } catch (error) {
      message.textContent = errorText(error);
    }
    busy = false;
    setText(reason, "");
  });

  /**
   * Show what the change applies to, and whether it is allowed.
   * @param {FleetState} state
   * @param {string} view - the id of the view that makes the change
   */
  function show(state, view) {
    setText(scope, state.scope);
    if (busy) return;
    const refusal = state.refusal(view);
    button.disabled = Boolean(refusal);
    setText(reason, refusal);
  }
  return { element, message, show };
}
