// A flame graph in SVG: arrow keys move between frames, Enter zooms in, Escape zooms out; a table as text alternative.

import { share } from "./deltas.js";
import { h, replace, svg } from "./dom.js";
import { busiest, layout, merge, neighbor } from "./flame.js";
import { table } from "./rows.js";
import { format } from "./scales.js";

const ROW = 20;
const TABLE_ROWS = 50;
const CHARACTER = 6.6; // The width of a character, in pixels.

export class FlameGraph {
  constructor() {
    this.root = merge([]);
    this.top = this.root;
    this.selected = this.root;
    this.search = "";
    this.plot = h("div", { class: "flame", tabindex: 0, role: "img", "aria-label": "Flame graph" });
    this.readout = h("output", { class: "readout" });
    this.table = h("div");
    const keys = "Arrow keys move, Enter zooms in, Escape shows all.";
    this.element = h(
      "figure",
      { class: "chart" },
      h("figcaption", {}, "Flame graph ", h("span", { class: "quiet" }, keys)),
      this.plot,
      this.readout,
      h("details", { open: true }, h("summary", {}, "Table"), this.table),
    );
    this.plot.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  /** @param {Sampled[]} stacks */
  update(stacks) {
    this.root = this.top = this.selected = merge(stacks);
    const rows = busiest(this.root)
      .slice(0, TABLE_ROWS)
      .map(({ name, own, total }) => [name, this.share(own), this.share(total)]);
    replace(this.table, table("Frames", ["Frame", "Own", "Total"], rows));
    this.draw();
  }

  /** @param {string} text */
  find(text) {
    this.search = text.toLowerCase();
    this.draw();
  }

  /** @param {number} count */
  share(count) {
    return format(share(count, this.root.count), "percent");
  }

  draw() {
    const width = Math.max(200, this.plot.clientWidth);
    const boxes = this.root.count ? layout(this.top, width) : [];
    const depth = Math.max(0, ...boxes.map((box) => box.depth)) + 1;
    const attributes = { width, height: depth * ROW, "aria-hidden": "true", focusable: "false" };
    const shapes = boxes.map((box) => this.box(box));
    replace(this.plot, svg("svg", attributes, shapes));
    const { name, count, own } = this.selected;
    const text = `${name}: ${this.share(count)} of the samples, ${this.share(own)} in itself`;
    replace(this.readout, this.root.count ? text : "No samples");
    this.plot.setAttribute("aria-label", `Flame graph. ${this.root.count ? text : "No samples"}`);
  }

  /** @param {FlameBox} box */
  box({ node, x, width, depth }) {
    const found = this.search && node.name.toLowerCase().includes(this.search);
    const kinds = [`frame-${depth % 3}`, node === this.selected ? "selected" : "", found ? "found" : ""];
    const room = Math.floor((width - 6) / CHARACTER);
    const place = { x: x.toFixed(1), y: depth * ROW };
    const shape = svg("rect", { ...place, width: Math.max(0.5, width - 1).toFixed(1), height: ROW - 1 });
    const label = room > 2 && svg("text", { x: (x + 3).toFixed(1), y: depth * ROW + 14 }, cut(node.name, room));
    const title = svg("title", {}, `${node.name}: ${this.share(node.count)}`);
    const attributes = { class: kinds.filter(Boolean).join(" "), onclick: () => this.zoom(node) };
    return svg("g", attributes, title, shape, label);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Enter") this.zoom(this.selected);
    else if (event.key === "Escape") this.zoom(this.root);
    else if (event.key.startsWith("Arrow")) this.select(neighbor(this.selected, event.key));
    else return;
    event.preventDefault();
  }

  /** @param {FlameNode} node */
  zoom(node) {
    this.top = this.selected = node;
    this.draw();
  }

  /** @param {FlameNode | null} node */
  select(node) {
    if (node) this.selected = node;
    if (this.selected === this.top.parent) this.top = this.selected;
    this.draw();
  }
}

/** @param {string} text @param {number} room - in characters */
function cut(text, room) {
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}
