// Chooses axes and formats numbers.

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

/** @typedef {"percent" | "seconds" | "bytes" | "per second" | "number"} Unit */

/**
 * Return a number with its unit; a dash for null.
 * @param {number | null | undefined} value
 * @param {Unit} unit
 */
export function format(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (unit === "percent") return `${trimmed(value * 100)} %`;
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
  return parts.length === 0
    ? "0 s"
    : parts
        .slice(0, 2)
        .map(([count, unit]) => `${count} ${unit}`)
        .join(" ");
}

/** @param {number} seconds */
function time(seconds) {
  if (seconds >= 1 || seconds === 0) return `${trimmed(seconds)} s`;
  return seconds < 0.001 ? `${trimmed(seconds * 1e6)} µs` : `${trimmed(seconds * 1000)} ms`;
}

/** @param {number} value */
function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = value >= 1 ? Math.min(units.length - 1, Math.floor(Math.log2(value) / 10)) : 0;
  return `${trimmed(value / 1024 ** power)} ${units[power]}`;
}

/** @param {number} value */
function compact(value) {
  if (Math.abs(value) >= 1e9) return `${trimmed(value / 1e9)} G`;
  if (Math.abs(value) >= 1e6) return `${trimmed(value / 1e6)} M`;
  return Math.abs(value) >= 1e4 ? `${trimmed(value / 1e3)} k` : trimmed(value);
}

/** @param {number} value */
function trimmed(value) {
  return String(Number(value.toPrecision(3)));
}
