// Creates elements. Text is always inserted as text, so a name that contains HTML is shown, not interpreted.

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Create an HTML element.
 * @param {string} tag
 * @param {Record<string, any>} [attributes] - `onclick` and the like are listeners; false and null leave one out
 * @param {...(Child | Child[])} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  return /** @type {HTMLElement} */ (fill(document.createElement(tag), attributes, children));
}

/**
 * Create an SVG element.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  return /** @type {SVGElement} */ (fill(element, attributes, children));
}

/**
 * Replace the children of an element. The keyboard focus stays at the same place, so that a poll does not move it.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function replace(element, ...children) {
  const focused = document.activeElement;
  const path = focused && focused !== element && element.contains(focused) ? pathTo(element, focused) : null;
  element.replaceChildren(...nodes(children));
  const found = path?.reduce((/** @type {Element | undefined} */ at, index) => at?.children[index], element);
  if (found instanceof HTMLElement || found instanceof SVGElement) found.focus({ preventScroll: true });
}

/**
 * Return the index of the child at each level between an element and one of its descendants.
 * @param {Element} element
 * @param {Element} inner
 */
function pathTo(element, inner) {
  const path = [];
  for (let at = inner; at !== element; at = /** @type {Element} */ (at.parentElement))
    path.unshift([.../** @type {Element} */ (at.parentElement).children].indexOf(at));
  return path;
}

/**
 * @param {Element} element
 * @param {Record<string, any>} attributes
 * @param {(Child | Child[])[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...nodes(children));
  return element;
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return children
    .flat()
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}
