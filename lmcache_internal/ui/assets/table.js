// A table with a filter.

import { h, input, replace } from "./dom.js";
import { scrollTable, tableLine } from "./rows.js";
import { contains, counted } from "./texts.js";

export class FilterTable {
  /**
   * @param {string} caption
   * @param {string[]} columns
   * @param {string} [empty] - what the table shows instead of no rows
   */
  constructor(caption, columns, empty = "Nothing to show.") {
    this.columns = columns;
    this.empty = empty;
    /** @type {{text: string, line: HTMLElement}[]} */
    this.rows = [];
    const name = `Filter ${caption}`;
    this.filter = input({ type: "search", placeholder: "Filter", "aria-label": name, oninput: () => this.draw() });
    this.count = h("span", { class: "quiet", role: "status" });
    this.body = h("tbody");
    this.tools = h("div", { class: "tools" }, this.filter, this.count);
    this.element = h("div", {}, this.tools, scrollTable(caption, columns, this.body));
  }

  /** @param {TableRow[]} rows */
  update(rows) {
    this.rows = rows.map(({ text, cells }) => ({ text, line: tableLine(this.columns, cells) }));
    this.draw();
  }

  draw() {
    const shown = this.rows.filter(({ text }) => contains(text, this.filter.value));
    const all = counted(this.rows.length, "entry", "entries");
    this.count.textContent = shown.length === this.rows.length ? all : `${shown.length} of ${all}`;
    const lines = shown.map(({ line }) => line);
    const none = this.rows.length > 0 ? "Nothing matches the filter." : this.empty;
    const empty = h("tr", {}, h("td", { colspan: this.columns.length, class: "quiet" }, none));
    replace(this.body, lines.length > 0 ? lines : empty);
  }
}

/**
 * Return a view that is a table with a filter.
 * @param {Omit<View, "create">} view
 * @param {string} caption
 * @param {string[]} columns
 * @param {(client: Client) => Promise<TableRow[]>} read
 * @param {string} [empty]
 * @returns {View}
 */
export function tableView(view, caption, columns, read, empty) {
  return {
    ...view,
    create({ client }) {
      const table = new FilterTable(caption, columns, empty);
      return { element: table.element, refresh: async () => table.update(await read(client)) };
    },
  };
}

/**
 * Return the row of a name and its value.
 * @param {string} name
 * @param {string} value
 * @returns {TableRow}
 */
export function namedRow(name, value) {
  return { text: `${name} ${value}`, cells: [h("code", {}, name), value] };
}
