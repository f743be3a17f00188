// Reads the Prometheus text format, see https://prometheus.io/docs/instrumenting/exposition_formats/.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+\S+)?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
/** @type {Record<string, string>} */
const ESCAPED = { n: "\n", '"': '"', "\\": "\\" };

/**
 * Return the samples of a scrape; lines that are not samples are ignored.
 * @param {string} text
 * @returns {Sample[]}
 */
export function parse(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : LINE.exec(line);
    if (found) samples.push({ name: found[1], labels: labelsOf(found[2] ?? ""), value: numberOf(found[3]) });
  }
  return samples;
}

/** @param {string} text */
function labelsOf(text) {
  /** @type {Record<string, string>} */
  const labels = {};
  for (const [, name, value] of text.matchAll(LABEL)) {
    labels[name] = value.replace(/\\(.)/g, (_, character) => ESCAPED[character] ?? character);
  }
  return labels;
}

/** @param {string} text */
function numberOf(text) {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

/** The samples of one scrape, by name. */
export class Scrape {
  /**
   * @param {Sample[]} samples
   * @param {number} time - in ms since the epoch
   */
  constructor(samples, time) {
    this.time = time;
    /** @type {Map<string, Sample[]>} */
    this.samples = new Map();
    for (const sample of samples) {
      const others = this.samples.get(sample.name);
      if (others) others.push(sample);
      else this.samples.set(sample.name, [sample]);
    }
  }

  /**
   * Return the sum of all samples of a name; null if there are none.
   * @param {string} name
   */
  sum(name) {
    const samples = this.samples.get(name);
    return samples ? samples.reduce((sum, sample) => sum + sample.value, 0) : null;
  }

  /**
   * Return the buckets of a histogram, summed over its series: upper bound to cumulative count.
   * @param {string} name
   * @returns {Map<number, number>}
   */
  buckets(name) {
    const buckets = new Map();
    for (const { labels, value } of this.samples.get(`${name}_bucket`) ?? []) {
      const bound = numberOf(labels.le);
      buckets.set(bound, (buckets.get(bound) ?? 0) + value);
    }
    return buckets;
  }
}
