// The field that changes a setting: the server checks the value before the user is asked.

import { errorText } from "../client.js";
import { h, input } from "../dom.js";
import { shownValue, typedValue } from "../values.js";

/**
 * Replace a button by the field; Escape brings the button back.
 * @param {Context} context
 * @param {string} name
 * @param {Setting} setting
 * @param {HTMLElement} button
 */
export function editSetting({ client, change, refresh }, name, setting, button) {
  const field = input({ value: shownValue(setting.value), "aria-label": `New value of ${name}` });
  const message = h("p", { role: "alert", class: "error" });
  const form = h("form", {}, field, h("button", {}, "Check and apply"), message);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    message.textContent = "";
    const wanted = settingChange(name, setting, field.value);
    try {
      await client.request("POST", `${wanted.path}&dry_run=true`, wanted.body);
    } catch (error) {
      message.textContent = errorText(error);
      return;
    }
    if ((await change(wanted)) !== null) await refresh();
  });
  form.addEventListener("keydown", ({ key }) => key === "Escape" && (form.replaceWith(button), button.focus()));
  button.replaceWith(form);
  field.select();
}

/**
 * @param {string} name
 * @param {Setting} setting
 * @param {string} text
 * @returns {Change}
 */
function settingChange(name, setting, text) {
  const effect = `Takes effect ${setting.takes_effect ?? "at once"}.`;
  return {
    title: `Set ${name}`,
    method: "POST",
    path: "/conf?atomic=true",
    body: { [name]: typedValue(text) },
    command: ["conf", "set", `${name}=${text}`],
    details: `${shownValue(setting.value)} → ${text}. ${effect}`,
  };
}
