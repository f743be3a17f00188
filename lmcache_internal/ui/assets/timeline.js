// The lines of charts: the last 15 minutes, also if the page is open for days.

const KEPT_MS = 15 * 60_000;
const MOST_POINTS = 450; // At a poll every 2 s.

export class Timeline {
  constructor() {
    /** @type {number[]} - in ms since the epoch */
    this.times = [];
    /** @type {Map<string, (number | null)[]>} - one value for each time; null is a gap */
    this.lines = new Map();
  }

  /**
   * Add a point to each line. A new line begins with gaps, and one that is not given is removed. All lines begin again
   * if the clock was set back.
   * @param {number} time - in ms since the epoch
   * @param {Record<string, number | null>} point - the value of each line
   */
  add(time, point) {
    if (time < (this.times.at(-1) ?? time)) {
      this.times = [];
      this.lines.clear();
    }
    for (const name of this.lines.keys()) if (!(name in point)) this.lines.delete(name);
    for (const [name, value] of Object.entries(point)) this.lines.set(name, [...this.values(name), value]);
    this.times.push(time);
    const recent = this.times.findIndex((each) => time - each <= KEPT_MS);
    const unneeded = Math.max(recent, this.times.length - MOST_POINTS);
    for (const values of [this.times, ...this.lines.values()]) values.splice(0, unneeded);
  }

  /** @param {string} name */
  values(name) {
    return this.lines.get(name) ?? this.times.map(() => null);
  }

  /** @param {string} name */
  last(name) {
    return this.lines.get(name)?.at(-1) ?? null;
  }
}
