// A line chart over time in SVG: axes with units, a readout for pointer and keyboard, and a table as text alternative.

import { h, replace, svg } from "./dom.js";
import { BOTTOM, HEIGHT, LEFT, RIGHT, TOP, nearest, pathOf, timeScale, valueScale } from "./plot.js";
import { plainTable, tableLine } from "./rows.js";
import { format, ticks } from "./scales.js";
import { clock } from "./texts.js";

const TABLE_ROWS = 30;

export class LineChart {
  /**
   * @param {string} title
   * @param {Unit} unit
   * @param {number} [highest] - the fixed end of the value axis, such as 1 for a share
   */
  constructor(title, unit, highest) {
    this.title = title;
    this.unit = unit;
    this.highest = highest;
    /** @type {ChartData} */
    this.data = { times: [], series: [] };
    /** @type {number | null} - the time of the cursor, which stays at its value while points are added and dropped */
    this.cursor = null;
    this.plot = h("div", { class: "plot", tabindex: 0, role: "img", "aria-label": title });
    this.readout = h("output", { class: "readout" });
    this.table = h("div", { class: "scroll" });
    const details = h("details", {}, h("summary", {}, "Table"), this.table);
    this.element = h("figure", { class: "chart" }, h("figcaption", {}, title), this.plot, this.readout, details);
    this.plot.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.plot.addEventListener("pointerleave", () => this.moveTo(null));
    this.plot.addEventListener("keydown", (event) => this.key(event));
    this.plot.addEventListener("blur", () => this.moveTo(null));
    details.addEventListener("toggle", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  /** @param {ChartData} data */
  update(data) {
    this.data = data;
    this.draw();
  }

  get width() {
    return Math.max(200, this.plot.clientWidth);
  }

  /** The series of the readout and of the table. */
  get listed() {
    return this.data.series;
  }

  /** @param {number} number - of the series */
  lineClass(number) {
    return `line line-${number}`;
  }

  /** The index of the values that the readout shows; -1 without values. */
  get index() {
    return nearest(this.data.times, this.cursor ?? Infinity);
  }

  draw() {
    const { times, series } = this.data;
    const values = ticks(this.highest ?? largest(series), this.unit);
    const x = timeScale(times, this.width);
    const y = valueScale(values[values.length - 1]);
    const places = times.map((time) => x(time).toFixed(1));
    const picture = svg(
      "svg",
      { width: this.width, height: HEIGHT, "aria-hidden": "true", focusable: "false" },
      values.map((value) => this.gridLine(y(value), value)),
      this.timeLabels(x),
      this.changeMarks(x),
      this.lines(places, y),
      this.cursor !== null && times.length > 0 && vertical("cursor", x(times[this.index])),
    );
    replace(this.plot, picture, !picture.querySelector("[d*=L]") && h("p", { class: "empty" }, "No values yet"));
    this.plot.setAttribute("aria-label", `${this.title}. ${this.describe(times.length - 1)}`);
    this.legend();
    this.fillTable();
  }

  /**
   * @param {string[]} xs - the place of each time
   * @param {Scale} y
   * @returns {SVGElement[]}
   */
  lines(xs, y) {
    return this.data.series.map(({ values }, number) =>
      svg("path", { class: this.lineClass(number), d: pathOf(values, xs, y) }),
    );
  }

  /**
   * @param {number} y
   * @param {number} value
   */
  gridLine(y, value) {
    const label = svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, format(value, this.unit));
    return svg("g", { class: "grid" }, svg("line", { x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y }), label);
  }

  /** @param {Scale} x */
  timeLabels(x) {
    const { times } = this.data;
    if (times.length < 2) return null;
    return [times[0], times[times.length - 1]].map((time, index) =>
      svg("text", { x: x(time), y: HEIGHT - 6, "text-anchor": index ? "end" : "start" }, clock(time)),
    );
  }

  /** @param {Scale} x */
  changeMarks(x) {
    const { times, marks = [] } = this.data;
    return marks
      .filter(({ time }) => time >= times[0] && time <= times[times.length - 1])
      .map(({ time, label }) => vertical("mark", x(time), svg("title", {}, label)));
  }

  /** @param {number} x - in pixels */
  point(x) {
    const { times } = this.data;
    if (times.length === 0) return;
    const part = (x - LEFT) / (this.width - LEFT - RIGHT);
    const wanted = times[0] + part * (times[times.length - 1] - times[0]);
    this.moveTo(times[nearest(times, wanted)]);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { times } = this.data;
    const [at, last] = [this.index, times.length - 1];
    /** @type {Record<string, number | null>} */
    const moves = {
      ArrowLeft: Math.max(0, at - 1),
      ArrowRight: Math.min(last, at + 1),
      Home: 0,
      End: last,
      Escape: null,
    };
    if (last < 0 || !(event.key in moves)) return;
    event.preventDefault();
    const index = moves[event.key];
    this.moveTo(index === null ? null : times[index]);
  }

  /** @param {number | null} time - null for the latest values */
  moveTo(time) {
    if (time === this.cursor) return;
    this.cursor = time;
    this.draw();
  }

  legend() {
    const { index } = this;
    const when = this.cursor === null || index < 0 ? "now" : clock(this.data.times[index]);
    const entries = this.listed.map(({ name, values }, number) => {
      const line = svg("path", { class: this.lineClass(number), d: "M0 4L24 4" });
      const sample = svg("svg", { width: 24, height: 8, "aria-hidden": "true" }, line);
      return h("span", { class: "entry" }, sample, ` ${name} `, h("b", {}, format(values[index], this.unit)));
    });
    replace(this.readout, h("span", { class: "when" }, when), entries);
  }

  /** @param {number} index */
  describe(index) {
    return this.listed.map(({ name, values }) => `${name} ${format(values[index], this.unit)}`).join(", ");
  }

  fillTable() {
    if (!(/** @type {HTMLDetailsElement} */ (this.table.parentElement).open)) return;
    const { times } = this.data;
    const series = this.listed;
    const columns = ["Time", ...series.map(({ name }) => name)];
    const lines = Array.from({ length: Math.min(TABLE_ROWS, times.length) }, (_, back) => {
      const index = times.length - 1 - back;
      return tableLine(columns, [clock(times[index]), ...series.map(({ values }) => format(values[index], this.unit))]);
    });
    replace(this.table, plainTable(this.title, columns, h("tbody", {}, lines)));
  }
}

/**
 * Return a vertical line over the whole plot.
 * @param {string} kind
 * @param {number} x
 * @param {SVGElement} [title]
 */
function vertical(kind, x, title) {
  return svg("line", { class: kind, x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }, title);
}

/** @param {Series[]} series */
function largest(series) {
  let found = 0;
  for (const { values } of series) for (const value of values) if (value !== null && value > found) found = value;
  return found;
}
