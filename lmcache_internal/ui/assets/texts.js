// Texts as a person reads them: times, plural forms, and code.

import { h } from "./dom.js";

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g;

/**
 * Return a text with its ISO times in the time zone of the browser, such as `2026-11-29 16:30:15`.
 * @param {string} text
 */
export function timed(text) {
  return text.replace(TIME, (time) => {
    const date = new Date(time);
    return Number.isNaN(date.getTime()) ? time : date.toLocaleString("sv"); // Sweden writes ISO 8601 without the T.
  });
}

/**
 * Return the time of day, such as `16:30:15`.
 * @param {number} time - in ms since the epoch
 */
export function clock(time) {
  return new Date(time).toLocaleTimeString("sv"); // With `hour12: false`, English has 24:05:00 for five past midnight.
}

/**
 * Return the time of day, with the date if it is not today's: a page may be open for days.
 * @param {number} time - in ms since the epoch
 * @param {number} [now]
 */
export function moment(time, now = Date.now()) {
  const [day, today] = [time, now].map((each) => new Date(each).toLocaleDateString("sv"));
  return day === today ? clock(time) : `${day} ${clock(time)}`;
}

/**
 * Return the parts of a message: its times are local, and what is between backticks is code.
 * @param {string} text
 * @returns {(string | HTMLElement)[]}
 */
export function message(text) {
  return timed(text)
    .split("`")
    .map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/**
 * Return a number of things, such as `1 entry` or `2 entries`.
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/**
 * Return whether a text contains what a user typed, in any case; the spaces of numbers with units are typed as usual.
 * @param {string} text
 * @param {string} wanted
 */
export function contains(text, wanted) {
  const plain = (/** @type {string} */ part) => part.toLowerCase().replaceAll("\u00a0", " ");
  return plain(text).includes(plain(wanted));
}

const LONG_WORD = /\S{25,}/g;
// A part without a separator, such as a hash, breaks after 16 characters. A number with a point is one part.
const BREAK = /[_./:](?=\p{L}|\w{16})|(?:":|[=&?@,;])(?=\S)|[^\s_./:=&?@,;]{16}(?=[^\s_./:=&?@,;])/gu;

/**
 * Return the parts of a text between which a line may break, besides its spaces: behind the separators of long names,
 * and not inside a word.
 * @param {string} text
 */
export function breakable(text) {
  return text.replace(LONG_WORD, (word) => word.replace(BREAK, "$&\0")).split("\0");
}
