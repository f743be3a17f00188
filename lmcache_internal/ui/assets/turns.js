// Runs an asynchronous function one call at a time, so that a late response never replaces a newer one.

/**
 * Return a function that calls `act`. A call during a run starts another run after it, and all calls during a run share
 * that next one: its responses are newer than each of these calls.
 * @param {() => Promise<void>} act
 * @returns {() => Promise<void>}
 */
export function inTurns(act) {
  /** @type {Promise<void> | null} */
  let running = null;
  /** @type {Promise<void> | null} */
  let next = null;
  const start = () => (running = act().finally(() => (running = null)));
  return () => {
    if (!running) return start();
    next ??= running
      .catch(() => {}) // The caller of that run gets its error.
      .then(() => {
        next = null;
        return start();
      });
    return next;
  };
}
