// Values of settings as a person reads and types them.

/** @param {unknown} value */
export function shownValue(value) {
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
