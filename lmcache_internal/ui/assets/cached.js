// Loads what changes rarely less often than every poll.

/**
 * Return a function that returns a value. It is loaded again when it is old or `key` has changed.
 * @template T
 * @param {() => Promise<T>} load
 * @param {number} ms - the age at which the value is old
 */
export function cached(load, ms) {
  /** @type {T} */
  let value;
  let loaded = -Infinity;
  /** @type {string | undefined} */
  let known;
  return async (/** @type {string} */ key, now = performance.now()) => {
    if (key !== known || now - loaded >= ms) {
      value = await load();
      [known, loaded] = [key, now];
    }
    return value;
  };
}
