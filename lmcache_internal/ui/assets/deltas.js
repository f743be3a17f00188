// Computes increases, shares and quantiles. A counter that has become smaller was reset with the engine.

/**
 * Return the increase of a counter.
 * @param {number | null} before - null if it did not exist
 * @param {number | null} now
 */
export function increase(before, now) {
  if (now === null) return null;
  return before === null || now < before ? now : now - before;
}

/**
 * Return an increase per second; null if it is not known.
 * @param {number | null} increased
 * @param {number} ms - the time in which it increased
 */
export function perSecond(increased, ms) {
  return increased === null || ms <= 0 ? null : (increased * 1000) / ms;
}

/**
 * Return a share such as the hit rate, from 0 to 1; null without traffic, which is not a rate of 0.
 * @param {number | null} part
 * @param {number | null} whole
 */
export function share(part, whole) {
  return part === null || !whole ? null : Math.min(1, part / whole);
}

/**
 * Return the increase of each bucket of a histogram between two scrapes.
 * @param {Map<number, number>} before
 * @param {Map<number, number>} now
 * @returns {Map<number, number>}
 */
export function bucketIncrease(before, now) {
  const reset = [...now].some(([bound, count]) => count < (before.get(bound) ?? 0));
  return new Map([...now].map(([bound, count]) => [bound, reset ? count : count - (before.get(bound) ?? 0)]));
}

/**
 * Return a quantile of a histogram, interpolated within its bucket as Prometheus's `histogram_quantile` does; null
 * without observations. A quantile in the last bucket is the highest finite bound.
 * @param {number} q - 0 to 1
 * @param {Map<number, number>} buckets - upper bound to cumulative count
 */
export function quantile(q, buckets) {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const wanted = q * total;
  let [lower, below] = [0, 0];
  for (const [bound, count] of sorted) {
    if (count >= wanted && count > below) {
      if (bound === Infinity) return lower;
      return lower + ((bound - lower) * (wanted - below)) / (count - below);
    }
    [lower, below] = [bound, count];
  }
  return lower;
}
