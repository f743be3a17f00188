// What ranks are called, and their numbers as `lmcache-internal --index` takes them: 0,2-4.

/**
 * Return the text of numbers.
 * @param {Iterable<number>} numbers
 */
export function rangesOf(numbers) {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  /** @type {[number, number][]} */
  const runs = [];
  for (const number of sorted) {
    const last = runs.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(",");
}

/**
 * Return ranks in a sentence: `4 worker 3` as it is, and `0-3,5` with the noun.
 * @param {string} label - of one rank or of several, as the gateway writes it
 */
export function ranksText(label) {
  if (/^\d+$/.test(label)) return `rank ${label}`; // Its name is not known any more.
  return /^[\d,-]+$/.test(label) ? `ranks ${label}` : label;
}
