// Calls a function again and again: not while the page is hidden, and less often while the server is slow or down.

export const INTERVAL_MS = 2000;
const LONGEST_MS = 30_000;
const SHARE = 5; // A poll takes at most a fifth of the time.

/**
 * Return the pause after a poll.
 * @param {number} tookMs - the duration of the poll
 * @param {number} failures - the number of failed polls in a row
 */
export function pauseAfter(tookMs, failures) {
  return Math.min(LONGEST_MS, Math.max(INTERVAL_MS * 2 ** Math.min(failures, 4), tookMs * SHARE));
}

export class Poller {
  /** @param {() => Promise<void>} poll - a rejected promise is a failed poll */
  constructor(poll) {
    this.poll = poll;
    this.failures = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.running = false;
    this.again = false;
    document.addEventListener("visibilitychange", () => !document.hidden && this.now());
  }

  /** Poll at once, or as soon as the running poll has ended; then regularly. */
  async now() {
    clearTimeout(this.timer);
    this.again = this.running;
    if (this.running || document.hidden) return;
    this.running = true;
    const began = performance.now();
    try {
      await this.poll();
      this.failures = 0;
    } catch {
      this.failures += 1;
    }
    this.running = false;
    const pause = this.again ? 0 : pauseAfter(performance.now() - began, this.failures);
    this.timer = setTimeout(() => this.now(), pause);
  }
}
