// Loads what changes rarely less often than every poll.

/** @template T */
export class Slow {
  /**
   * @param {() => Promise<T>} load
   * @param {number} ms - the age at which the value is loaded again
   */
  constructor(load, ms) {
    this.load = load;
    this.ms = ms;
    /** @type {T | undefined} */
    this.value = undefined;
    this.loaded = -Infinity;
    this.key = "";
  }

  /**
   * Return the value. It is loaded again when it is old or `key` has changed.
   * @param {string} [key]
   * @param {number} [now] - in ms
   * @returns {Promise<T>}
   */
  async get(key = "", now = performance.now()) {
    if (this.value === undefined || key !== this.key || now - this.loaded >= this.ms) {
      this.value = await this.load();
      [this.key, this.loaded] = [key, now];
    }
    return this.value;
  }
}
