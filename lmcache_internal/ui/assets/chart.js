// A line chart over time in SVG: axes with units, a readout for pointer and keyboard, and a table as text alternative.

import { h, replace, svg } from "./dom.js";
import { format, ticks } from "./scales.js";

/** @typedef {import("./scales.js").Unit} Unit */
/** @typedef {{name: string, values: (number | null)[]}} Series - one value for each time */
/** @typedef {{time: number, label: string}} Mark */
/** @typedef {{times: number[], series: Series[], marks?: Mark[]}} Data - times in ms since the epoch */

const HEIGHT = 180;
const LEFT = 58;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 22;
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
    /** @type {Data} */
    this.data = { times: [], series: [] };
    /** @type {number | null} */
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

  /** @param {Data} data */
  update(data) {
    this.data = data;
    this.draw();
  }

  get width() {
    return Math.max(200, this.plot.clientWidth);
  }

  /** @param {number} index */
  x(index) {
    const { times } = this.data;
    const [first, last] = [times[0], times[times.length - 1]];
    return LEFT + ((times[index] - first) / Math.max(1, last - first)) * (this.width - LEFT - RIGHT);
  }

  draw() {
    const { times, series } = this.data;
    const values = series.flatMap(({ values }) => values.filter((value) => value !== null));
    const marks = ticks(this.highest ?? Math.max(0, ...values.map(Number)), this.unit);
    const top = marks[marks.length - 1];
    const y = (/** @type {number} */ value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
    const picture = svg(
      "svg",
      { width: this.width, height: HEIGHT, "aria-hidden": "true", focusable: "false" },
      marks.map((value) => this.gridLine(y(value), value)),
      this.timeLabels(),
      this.changeMarks(),
      series.map(({ values: line }, number) => svg("path", { class: `line line-${number}`, d: this.path(line, y) })),
      this.cursor === null ? null : this.cursorLine(this.cursor),
    );
    replace(this.plot, picture, times.length < 2 && h("p", { class: "empty" }, "Collecting data…"));
    this.plot.setAttribute("aria-label", `${this.title}. ${this.describe(times.length - 1)}`);
    this.legend();
    this.fillTable();
  }

  /**
   * @param {(number | null)[]} values
   * @param {(value: number) => number} y
   */
  path(values, y) {
    let commands = "";
    let drawing = false;
    values.forEach((value, index) => {
      if (value !== null) commands += `${drawing ? "L" : "M"}${this.x(index).toFixed(1)} ${y(value).toFixed(1)}`;
      drawing = value !== null;
    });
    return commands;
  }

  /**
   * @param {number} y
   * @param {number} value
   */
  gridLine(y, value) {
    const label = svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, format(value, this.unit));
    return svg("g", { class: "grid" }, svg("line", { x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y }), label);
  }

  timeLabels() {
    const { times } = this.data;
    if (times.length < 2) return null;
    const ends = /** @type {[number, string][]} */ ([
      [0, "start"],
      [times.length - 1, "end"],
    ]);
    return ends.map(([index, anchor]) =>
      svg("text", { x: this.x(index), y: HEIGHT - 6, "text-anchor": anchor }, clock(times[index])),
    );
  }

  changeMarks() {
    const { times, marks = [] } = this.data;
    const [first, last] = [times[0], times[times.length - 1]];
    return marks
      .filter(({ time }) => time >= first && time <= last)
      .map(({ time, label }) => {
        const x = LEFT + ((time - first) / Math.max(1, last - first)) * (this.width - LEFT - RIGHT);
        return svg("line", { class: "mark", x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }, svg("title", {}, label));
      });
  }

  /** @param {number} index */
  cursorLine(index) {
    const x = this.x(index);
    return svg("line", { class: "cursor", x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM });
  }

  /** @param {number} x */
  point(x) {
    const { times } = this.data;
    if (times.length === 0) return;
    const part = (x - LEFT) / (this.width - LEFT - RIGHT);
    const wanted = times[0] + part * (times[times.length - 1] - times[0]);
    const distances = times.map((time) => Math.abs(time - wanted));
    this.moveTo(distances.indexOf(Math.min(...distances)));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const last = this.data.times.length - 1;
    const at = this.cursor ?? last;
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
    this.moveTo(moves[event.key]);
  }

  /** @param {number | null} index */
  moveTo(index) {
    if (index === this.cursor) return;
    this.cursor = index;
    this.draw();
  }

  legend() {
    const index = Math.min(this.cursor ?? Infinity, this.data.times.length - 1);
    const when = this.cursor === null || index < 0 ? "now" : clock(this.data.times[index]);
    const entries = this.data.series.map(({ name, values }, number) =>
      h(
        "span",
        { class: "entry" },
        svg(
          "svg",
          { width: 24, height: 8, "aria-hidden": "true" },
          svg("path", { class: `line line-${number}`, d: "M0 4L24 4" }),
        ),
        ` ${name} `,
        h("b", {}, format(values[index], this.unit)),
      ),
    );
    replace(this.readout, h("span", { class: "when" }, when), entries);
  }

  /** @param {number} index */
  describe(index) {
    const { series } = this.data;
    return series.map(({ name, values }) => `${name} ${format(values[index], this.unit)}`).join(", ");
  }

  fillTable() {
    if (!(/** @type {HTMLDetailsElement} */ (this.table.parentElement).open)) return;
    const { times, series } = this.data;
    const head = h(
      "tr",
      {},
      h("th", { scope: "col" }, "Time"),
      series.map(({ name }) => h("th", { scope: "col" }, name)),
    );
    const rows = times
      .map((time, index) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, clock(time)),
          series.map(({ values }) => h("td", {}, format(values[index], this.unit))),
        ),
      )
      .slice(-TABLE_ROWS)
      .reverse();
    replace(
      this.table,
      h("table", {}, h("caption", { class: "hidden" }, this.title), h("thead", {}, head), h("tbody", {}, rows)),
    );
  }
}

/** @param {number} time - in ms since the epoch */
export function clock(time) {
  return new Date(time).toLocaleTimeString([], { hour12: false });
}
