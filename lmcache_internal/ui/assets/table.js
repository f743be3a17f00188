// A table with a filter.

import { h, replace } from "./dom.js";

/** @typedef {import("./dom.js").Child} Child */
/** @typedef {{text: string, cells: Child[]}} Row - `text` is what the filter searches */

export class FilterTable {
  /**
   * @param {string} caption
   * @param {string[]} columns
   * @param {string} [empty] - what the table shows instead of no rows
   */
  constructor(caption, columns, empty = "Nothing to show.") {
    this.columns = columns.length;
    this.empty = empty;
    /** @type {Row[]} */
    this.rows = [];
    this.filter = /** @type {HTMLInputElement} */ (
      h("input", { type: "search", placeholder: "Filter", "aria-label": `Filter ${caption}` })
    );
    this.filter.addEventListener("input", () => this.draw());
    this.count = h("span", { class: "quiet", role: "status" });
    this.body = h("tbody");
    const head = h(
      "tr",
      {},
      columns.map((column) => h("th", { scope: "col" }, column)),
    );
    const table = h("table", {}, h("caption", { class: "hidden" }, caption), h("thead", {}, head), this.body);
    const scroll = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, table);
    this.element = h("div", {}, h("p", { class: "tools" }, this.filter, " ", this.count), scroll);
  }

  /** @param {Row[]} rows */
  update(rows) {
    this.rows = rows;
    this.draw();
  }

  draw() {
    const wanted = this.filter.value.toLowerCase();
    const shown = this.rows.filter(({ text }) => text.toLowerCase().includes(wanted));
    this.count.textContent =
      shown.length === this.rows.length ? `${shown.length}` : `${shown.length} of ${this.rows.length}`;
    const lines = shown.map(({ cells }) =>
      h(
        "tr",
        {},
        cells.map((cell) => h("td", {}, cell)),
      ),
    );
    const none = this.rows.length > 0 ? "Nothing matches the filter." : this.empty;
    replace(
      this.body,
      lines.length > 0 ? lines : h("tr", {}, h("td", { colspan: this.columns, class: "quiet" }, none)),
    );
  }
}
