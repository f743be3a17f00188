// Creates elements. Text is always inserted as text, so a name that contains HTML is shown, not interpreted.

/**
 * Create an HTML element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [attributes] - `onclick` and the like are listeners; false and null leave one out
 * @param {...(Child | Child[])} children
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/**
 * Create an input, which is a text field if no `type` is given.
 * @param {Record<string, any>} attributes
 */
export function input(attributes) {
  return h("input", { type: "text", autocomplete: "off", ...attributes });
}

/**
 * Create a select with its options.
 * @param {Record<string, any>} attributes
 * @param {(string | [value: string, text: string])[]} options
 */
export function select(attributes, options) {
  const children = options.map((option) => {
    const [value, text] = typeof option === "string" ? [option, option] : option;
    return h("option", { value }, text);
  });
  return h("select", attributes, children);
}

/**
 * Write the text of an element if it has changed: what is written in a live region is announced, also the same text.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Create an SVG element, as `h` does. @param {string} tag @param {Record<string, any>} [attributes] @param {...(Child | Child[])} children */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** What had the focus when a dialog was opened. @type {Element | null} */
let opener = null;

/** Where a pointer is pressed. If that element was replaced before the release, there would be no click. @type {any} */
let pressed = null;
const released = () => (pressed = null);
if (typeof window !== "undefined") {
  window.addEventListener("pointerdown", ({ target }) => (pressed = target), true);
  window.addEventListener("click", released, true); // Before the listeners, which may replace elements.
  for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => setTimeout(released), true);
}

/**
 * Open a modal dialog; when it is closed, remove it, and return the focus to where it was. That place may have a new
 * element then, because the page polls while the dialog is open.
 * @param {HTMLDialogElement} dialog
 */
export function openDialog(dialog) {
  opener = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (opener) focusAt(opener);
    opener = null;
  });
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * Replace the children of an element, if the new ones differ: a selected text stays selected. The keyboard focus stays
 * at the same place, so that a poll does not move it; in a table, in the same row. Nothing is replaced while a pointer is
 * pressed on one of the children: the next poll does it.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function replace(element, ...children) {
  if (pressed && pressed !== element && element.contains(pressed)) return;
  const shown = element.childNodes;
  const wanted = nodes(children);
  if (shown.length === wanted.length && wanted.every((node, index) => node.isEqualNode(shown[index]))) return;
  const focused = document.activeElement;
  const paths = [focused, opener].map((inner) => pathTo(element, inner));
  element.replaceChildren(...wanted);
  const [next, opened] = paths.map((path) => path && follow(element, path));
  if (next) focusAt(focused?.isConnected ? focused : next);
  if (opened && !opener?.isConnected) opener = opened;
}

/**
 * Call a function while a button is disabled. The button has the focus afterwards, if it had it before.
 * @param {HTMLElement} button
 * @param {() => Promise<void>} act
 */
export async function whileDisabled(button, act) {
  const focused = document.activeElement === button;
  button.setAttribute("disabled", "");
  try {
    await act();
  } finally {
    button.removeAttribute("disabled");
    if (focused && [null, document.body].includes(/** @type {any} */ (document.activeElement))) focusAt(button);
  }
}

/**
 * Give the focus to an element, or to the nearest one around it that can have it.
 * @param {Element} element
 */
function focusAt(element) {
  for (let at = /** @type {Element | null} */ (element); at; at = at.parentElement) {
    if (at instanceof HTMLElement || at instanceof SVGElement) at.focus({ preventScroll: true });
    if (document.activeElement === at) return;
  }
}

/**
 * Return the index of the child at each level between an element and one of its descendants, or the name of a row; null
 * for others.
 * @param {Element} element
 * @param {Element | null} inner
 */
function pathTo(element, inner) {
  if (!inner || inner === element || !element.contains(inner)) return null;
  /** @type {(number | string)[]} */
  const path = [];
  for (let at = inner; at !== element; at = /** @type {Element} */ (at.parentElement))
    path.unshift(rowName(at) ?? [.../** @type {Element} */ (at.parentElement).children].indexOf(at));
  return path;
}

/**
 * Return the text of the header of a row; undefined for other elements.
 * @param {Element} element
 */
function rowName(element) {
  return element.querySelector(":scope > th[scope=row]")?.textContent;
}

/**
 * Return the element at a path, or the last one on the way to it. The button of another row would change something else.
 * @param {Element} element
 * @param {(number | string)[]} path
 */
function follow(element, path) {
  let at = element;
  for (const step of path) {
    const next = typeof step === "number" ? at.children[step] : [...at.children].find((row) => rowName(row) === step);
    if (!next) return at;
    at = next;
  }
  return at;
}

/**
 * @template {Element} T
 * @param {T} element
 * @param {Record<string, any>} attributes
 * @param {(Child | Child[])[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if ((value ?? false) !== false) element.setAttribute(name, String(value));
  }
  element.append(...nodes(children));
  return element;
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {Node[]}
 */
function nodes(children) {
  return children
    .flat()
    .filter((child) => (child ?? false) !== false)
    .map((child) => (child instanceof Node ? child : new Text(String(child))));
}
