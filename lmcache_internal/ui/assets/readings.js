// The readings of counters that rates are computed from. `lmcache-internal top` has the same rule (cli/rates.py).

// LMCache updates its counters every 10 s. So a rate is that of 10, 20 or 30 s: of a shorter time, or of one in between,
// it would be up to twice too high.
const UPDATE_MS = 10_000;
const MOST_UPDATES = 3;
const EARLY_MS = 500; // A reading may be early by this.
const SHORTEST_MS = 1000; // Readings in quick succession are one.

/**
 * The readings of the last 30 s, of one process.
 * @template T
 */
export class Readings {
  constructor() {
    /** @type {{time: number, value: T}[]} - the oldest first; times in ms */
    this.kept = [];
    /** @type {unknown} */
    this.process = undefined;
  }

  /**
   * Add a reading. The counters of another process begin at 0, so the readings before are dropped; so they are after a
   * clock was set back.
   * @param {number} time - in ms
   * @param {T} value
   * @param {unknown} process - differs between processes, such as the time of the start
   * @returns {boolean} false if the last one is too recent, so that this one is not added
   */
  add(time, value, process) {
    const { last } = this;
    if (last && (process !== this.process || time < last.time)) this.kept = [];
    else if (last && time - last.time < SHORTEST_MS) return false;
    this.process = process;
    this.kept.push({ time, value });
    while (this.covers(1, MOST_UPDATES)) this.kept.shift();
    return true;
  }

  get last() {
    return this.kept.at(-1);
  }

  /** The reading that a share begins at. A share needs no 10 s, because LMCache updates both of its counters at once. */
  get oldest() {
    return this.kept[0];
  }

  /** The reading that a rate begins at; undefined in the first 10 s. */
  get base() {
    let updates = MOST_UPDATES;
    while (updates > 0 && !this.covers(0, updates)) updates -= 1;
    return updates ? this.kept.filter((_, index) => this.covers(index, updates)).at(-1) : undefined;
  }

  /**
   * Return whether a reading is older than the last one by some updates.
   * @param {number} index
   * @param {number} updates
   */
  covers(index, updates) {
    const [reading, last] = [this.kept[index], this.last];
    return Boolean(reading && last && last.time - reading.time + EARLY_MS >= updates * UPDATE_MS);
  }
}
