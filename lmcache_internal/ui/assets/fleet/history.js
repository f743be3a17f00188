// What each rank and the fleet did over time, computed from the counters of one poll to the next.

import { increase, perSecond, share } from "../deltas.js";
import { Readings } from "../readings.js";
import { Timeline } from "../timeline.js";

const SUMMED = /** @type {const} */ (["requested", "stored", "usage"]);

export class FleetHistory {
  constructor() {
    this.timeline = new Timeline();
    /** @type {Map<number, Figures>} - of the last poll */
    this.now = new Map();
    /** @type {Figures} */
    this.total = none();
    /** @type {Map<number, Readings<RankRow>>} */
    this.readings = new Map();
  }

  /**
   * @param {RankRow[]} rows
   * @param {number} time - in ms since the epoch
   */
  add(rows, time) {
    for (const number of this.readings.keys())
      if (!rows.some((row) => row.number === number)) this.readings.delete(number);
    this.now = new Map(rows.map((row) => [row.number, this.figures(row, time)]));
    const answered = rows.filter(({ error }) => error === null);
    this.total = totalOf(
      [...this.now.values()],
      answered.map(({ number }) => /** @type {Readings<RankRow>} */ (this.readings.get(number))),
    );
    const lines = [["sum", this.total], ...this.now].flatMap(([name, figures]) =>
      Object.entries(figures).map(([key, value]) => [`${name} ${key}`, value]),
    );
    this.timeline.add(time, Object.fromEntries(lines));
  }

  /**
   * Return the figures of a rank at a poll.
   * @param {RankRow} row
   * @param {number} time - of the poll, in ms since the epoch
   * @returns {Figures}
   */
  figures(row, time) {
    const readings = this.readings.get(row.number) ?? new Readings();
    this.readings.set(row.number, readings);
    if (row.error !== null) return none();
    readings.add(time - (row.age ?? 0) * 1000, row, row.started);
    return figuresOf(readings);
  }

  /**
   * Return a line of the charts.
   * @param {number | "sum"} rank
   * @param {keyof Figures} key
   */
  line(rank, key) {
    return this.timeline.values(`${rank} ${key}`);
  }
}

/**
 * Return the figures of a rank; null for what cannot be known, such as a hit rate without traffic.
 * @param {Readings<RankRow>} readings
 * @returns {Figures}
 */
export function figuresOf({ last, oldest, base }) {
  if (!last || !oldest) return none();
  const now = last.value;
  const rate = (/** @type {Counter} */ name) =>
    base ? perSecond(grown(base.value, now, name), last.time - base.time) : null;
  const hits = (/** @type {Counter} */ part, /** @type {Counter} */ whole) =>
    share(grown(oldest.value, now, part), grown(oldest.value, now, whole));
  return {
    hitRate: hits("hit", "requested") ?? hits("found", "looked_up"), // A scheduler looks up, and retrieves nothing.
    requested: rate("requested"),
    stored: rate("stored"),
    usage: now.usage ?? null,
  };
}

/**
 * Return the figures of the fleet: its hit rate is that of all tokens, and not the mean of its ranks.
 * @param {Figures[]} figures
 * @param {Readings<RankRow>[]} readings - of the ranks that answered
 * @returns {Figures}
 */
function totalOf(figures, readings) {
  const total = none();
  for (const each of figures)
    for (const key of SUMMED) if (each[key] !== null) total[key] = (total[key] ?? 0) + each[key];
  let [hit, requested] = [0, 0];
  for (const { last, oldest } of readings) {
    if (!last || !oldest) continue;
    hit += grown(oldest.value, last.value, "hit") ?? 0;
    requested += grown(oldest.value, last.value, "requested") ?? 0;
  }
  return { ...total, hitRate: share(hit, requested) };
}

/** @typedef {"hit" | "requested" | "found" | "looked_up" | "stored"} Counter */

/** @param {RankRow} before @param {RankRow} now @param {Counter} name */
function grown(before, now, name) {
  return increase(before[name] ?? null, now[name] ?? null);
}

/** @returns {Figures} */
function none() {
  return { hitRate: null, requested: null, stored: null, usage: null };
}
