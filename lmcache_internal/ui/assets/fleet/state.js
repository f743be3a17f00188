// What the views of the fleet share: the ranks of the last poll, their history, and the ranks that are chosen.

import { FleetHistory } from "./history.js";
import { rangesOf } from "./ranges.js";

/** @typedef {import("./history.js").Row} Row */

export class FleetState {
  constructor() {
    /** @type {Row[]} */
    this.rows = [];
    this.time = 0;
    this.history = new FleetHistory();
    /** @type {Set<number>} - numbers of ranks; empty for all */
    this.chosen = new Set();
  }

  /** @param {{ranks: Row[], time: number}} poll */
  add({ ranks, time }) {
    this.rows = ranks;
    this.time = time;
    this.history.add(ranks, time);
  }

  /** The numbers of the chosen ranks for a request; null for all. */
  get numbers() {
    return this.chosen.size ? [...this.chosen] : null;
  }

  /** The chosen ranks in words. */
  get scope() {
    if (this.chosen.size === 0) return `all ${this.rows.length} ranks`;
    return `${this.chosen.size} chosen ${this.chosen.size === 1 ? "rank" : "ranks"} (${rangesOf(this.chosen)})`;
  }
}

/**
 * @typedef {object} FleetContext
 * @property {import("../client.js").Client} client
 * @property {FleetState} state
 */

/**
 * @typedef {object} FleetView
 * @property {string} id - the part of the URL behind #
 * @property {string} title
 * @property {(context: FleetContext) => {element: HTMLElement, refresh: () => Promise<void>, poll: () => void}} create - `refresh` is called when the view is opened, `poll` after each poll
 */
