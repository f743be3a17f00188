// The geometry of a line chart: where a time and a value are, the path of a line, and the time at a position.

export const HEIGHT = 180;
export const TOP = 8;
export const BOTTOM = 22;
export const LEFT = 64; // Of labels as long as "1000 MiB".
export const RIGHT = 10;

/**
 * Return the place of a time in a plot.
 * @param {number[]} times - of the plot, in ms
 * @param {number} width - in pixels
 * @returns {Scale}
 */
export function timeScale(times, width) {
  const [first, last] = [times[0], times[times.length - 1]];
  return (time) => LEFT + ((time - first) / Math.max(1, last - first)) * (width - LEFT - RIGHT);
}

/**
 * Return the place of a value in a plot.
 * @param {number} highest - the end of the axis
 * @returns {Scale}
 */
export function valueScale(highest) {
  return (value) => TOP + (1 - value / highest) * (HEIGHT - TOP - BOTTOM);
}

/**
 * Return the commands of a line, with every `step`th point; the last one is always there.
 * @param {(number | null)[]} values - null is a gap
 * @param {string[]} xs - the place of each value
 * @param {Scale} y
 * @param {number} [step]
 * @param {number} [digits] - of the vertical places
 */
export function pathOf(values, xs, y, step = 1, digits = 1) {
  let commands = "";
  let drawing = false;
  for (let index = (values.length - 1) % step; index < values.length; index += step) {
    const value = values[index];
    if (value !== null) commands += `${drawing ? "L" : "M"}${xs[index]} ${y(value).toFixed(digits)}`;
    drawing = value !== null;
  }
  return commands;
}

/**
 * Return the index of the time that is nearest to another one; -1 without times.
 * @param {number[]} times - in order
 * @param {number} wanted
 */
export function nearest(times, wanted) {
  const after = times.findIndex((time) => time >= wanted);
  if (after <= 0) return after < 0 ? times.length - 1 : 0;
  return wanted - times[after - 1] <= times[after] - wanted ? after - 1 : after;
}
