// What each rank and the fleet did over time, computed from the counters of one poll to the next.

import { increase } from "../deltas.js";

/**
 * @typedef {object} Row - one rank, as the gateway sends it
 * @property {number} number
 * @property {string} name
 * @property {string} address
 * @property {string} host
 * @property {string | null} error - why there are no figures; null if there are
 * @property {number | null} age - of the figures, in seconds
 * @property {string} kind
 * @property {string} version
 * @property {string} model
 * @property {string} role
 * @property {string} [health]
 * @property {string} [mode]
 * @property {string[]} [reasons]
 * @property {number | null} [usage] - in bytes
 * @property {number | null} [limit] - in bytes
 * @property {number | null} [started] - in seconds since the epoch
 * @property {number | null} [hit]
 * @property {number | null} [requested]
 * @property {number | null} [found]
 * @property {number | null} [looked_up]
 * @property {number | null} [stored]
 * @property {number | null} [evicted]
 */

/** @typedef {{hitRate: number | null, requested: number | null, stored: number | null, usage: number | null}} Figures */
/** @typedef {Record<keyof Figures, (number | null)[]>} Lines */

export const LENGTH = 450; // 15 minutes at a poll every 2 s.
const KEYS = /** @type {(keyof Figures)[]} */ (["hitRate", "requested", "stored", "usage"]);

export class FleetHistory {
  constructor() {
    /** @type {number[]} */
    this.times = [];
    /** @type {Map<number, Lines>} */
    this.ranks = new Map();
    /** @type {Lines} */
    this.sum = emptyLines(0);
    /** @type {Map<number, Figures>} - of the last poll */
    this.now = new Map();
    /** @type {Figures} */
    this.total = { hitRate: null, requested: null, stored: null, usage: null };
    /** @type {Map<number, {row: Row, read: number}>} */
    this.before = new Map();
  }

  /**
   * @param {Row[]} rows
   * @param {number} time - in ms since the epoch
   */
  add(rows, time) {
    let [hit, requested] = [0, 0];
    this.now = new Map();
    this.total = { hitRate: null, requested: null, stored: null, usage: null };
    for (const row of rows) {
      const read = row.age === null ? time : time - row.age * 1000;
      const before = this.before.get(row.number);
      const seconds = before ? (read - before.read) / 1000 : 0;
      const figures = row.error === null ? figuresOf(before?.row, row, seconds) : none();
      this.now.set(row.number, figures);
      for (const key of /** @type {const} */ (["requested", "stored", "usage"])) {
        const value = figures[key];
        if (value !== null) this.total[key] = (this.total[key] ?? 0) + value;
      }
      if (before && row.error === null && seconds > 0.1) {
        hit += increase(before.row.hit ?? null, row.hit ?? null) ?? 0;
        requested += increase(before.row.requested ?? null, row.requested ?? null) ?? 0;
      }
      if (row.error === null && (!before || seconds > 0.1)) this.before.set(row.number, { row, read });
    }
    this.total.hitRate = requested > 0 ? Math.min(1, hit / requested) : null;
    this.keep(time);
  }

  /** @param {number} time */
  keep(time) {
    this.times.push(time);
    for (const [number, figures] of this.now) {
      const lines = this.ranks.get(number) ?? emptyLines(this.times.length - 1);
      this.ranks.set(number, lines);
      push(lines, figures);
    }
    push(this.sum, this.total);
    if (this.times.length > LENGTH) this.times.shift();
  }
}

/**
 * Return the figures of a rank; null for what cannot be known, such as a hit rate without traffic.
 * @param {Row | undefined} before
 * @param {Row} row
 * @param {number} seconds - between the two
 * @returns {Figures}
 */
export function figuresOf(before, row, seconds) {
  const usage = row.usage ?? null;
  if (!before || seconds <= 0.1) return { ...none(), usage };
  const grown = (/** @type {"hit" | "requested" | "found" | "looked_up" | "stored"} */ name) =>
    increase(before[name] ?? null, row[name] ?? null);
  const rate = (/** @type {number | null} */ value) => (value === null ? null : value / seconds);
  const requested = grown("requested");
  // A scheduler retrieves nothing, but it looks up.
  const hitRate = share(grown("hit"), requested) ?? share(grown("found"), grown("looked_up"));
  return { hitRate, requested: rate(requested), stored: rate(grown("stored")), usage };
}

/** @param {number | null} part @param {number | null} whole */
function share(part, whole) {
  return part === null || !whole ? null : Math.min(1, part / whole);
}

/** @returns {Figures} */
function none() {
  return { hitRate: null, requested: null, stored: null, usage: null };
}

/** @param {number} length @returns {Lines} */
function emptyLines(length) {
  const nulls = () => Array(length).fill(null);
  return { hitRate: nulls(), requested: nulls(), stored: nulls(), usage: nulls() };
}

/** @param {Lines} lines @param {Figures} figures */
function push(lines, figures) {
  for (const key of KEYS) {
    lines[key].push(figures[key]);
    if (lines[key].length > LENGTH) lines[key].shift();
  }
}
