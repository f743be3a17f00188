// Chooses axes and formats numbers. The decimal separator is a point in every language.

export const GIB = 1024 ** 3;

/**
 * Return at most `count` + 1 round values from 0 to at least `highest`.
 * @param {number} highest
 * @param {Unit} [unit] - bytes are round in binary units
 * @param {number} [count]
 * @returns {number[]}
 */
export function ticks(highest, unit = "number", count = 4) {
  if (!(highest > 0) || !Number.isFinite(highest)) return [0, 1];
  if (unit === "bytes") {
    const scale = 1024 ** Math.max(0, Math.floor(Math.log2(highest) / 10));
    return ticks(highest / scale, "number", count).map((value) => value * scale);
  }
  const raw = highest / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw * 0.999) ?? raw;
  const steps = Math.ceil((highest / step) * 0.9999);
  return Array.from({ length: steps + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/**
 * Return a number with its unit; a dash for null.
 * @param {number | null | undefined} value
 * @param {Unit} unit
 */
export function format(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (unit === "percent") return percent(value * 100);
  if (unit === "bytes") return bytes(value);
  if (unit === "seconds") return time(value);
  return unit === "per second" ? `${compact(value)}/s` : compact(value);
}

/**
 * Return a duration in the two largest units, such as `3 h 5 min`.
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ].filter(([count]) => Number(count) > 0);
  const largest = parts.slice(0, 2).map(([count, unit]) => `${count}\u00a0${unit}`);
  return largest.join("\u00a0") || "0\u00a0s";
}

/**
 * Return a percentage with at most two decimals. What is not quite nothing or not quite all is shown as such.
 * @param {number} value - in percent
 */
function percent(value) {
  if (value > 0 && value < 0.01) return "<\u00a00.01\u00a0%";
  if (value < 100 && rounded(value) === 100) return ">\u00a099.9\u00a0%";
  return withUnit(Number(value.toFixed(2)), "%");
}

/** @param {number} value */
function time(value) {
  const seconds = rounded(value); // First, so that 999.9 ms is 1 s.
  if (seconds >= 1 || seconds === 0) return withUnit(seconds, "s");
  return seconds < 0.001 ? withUnit(seconds * 1e6, "µs") : withUnit(seconds * 1000, "ms");
}

/** @param {number} value */
function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = value >= 1 ? Math.min(units.length - 1, Math.floor(Math.log2(value) / 10)) : 0;
  return withUnit(value / 1024 ** power, units[power]);
}

/** @param {number} value */
function compact(value) {
  const number = rounded(value);
  const size = Math.abs(number);
  if (size >= 1e9) return withUnit(number / 1e9, "G");
  if (size >= 1e6) return withUnit(number / 1e6, "M");
  return size >= 1e4 ? withUnit(number / 1e3, "k") : String(number);
}

/**
 * Return a number with three digits, and its unit in the same line.
 * @param {number} value
 * @param {string} unit
 */
function withUnit(value, unit) {
  return `${rounded(value)}\u00a0${unit}`;
}

/**
 * Return a number with three digits.
 * @param {number} value
 */
function rounded(value) {
  return Number(value.toPrecision(3));
}
