// What the views of the fleet share: the ranks of the last poll, their history, and the ranks that are chosen.

import { FleetHistory } from "./history.js";
import { rangesOf } from "./ranges.js";

export class FleetState {
  constructor() {
    /** @type {RankRow[]} */
    this.rows = [];
    this.time = 0;
    /** @type {string | null} - why the list of ranks is old; null if it is not */
    this.problem = null;
    this.history = new FleetHistory();
    /** @type {Set<number>} - numbers of ranks; empty for all */
    this.chosen = new Set();
  }

  /** @param {{ranks: RankRow[], time: number, problem: string | null}} poll */
  add({ ranks, time, problem }) {
    this.problem = problem;
    this.rows = ranks;
    this.time = time;
    this.history.add(ranks, time);
  }

  /**
   * The numbers of the chosen ranks for a request; null for all. A chosen rank that is no longer listed stays chosen:
   * a change is refused then, and does not apply to all ranks when the last chosen one leaves.
   */
  get numbers() {
    return this.chosen.size ? [...this.chosen] : null;
  }

  /**
   * Return why the ranks that a change applies to refuse it, such as `needs role admin; 3 of 8 ranks grant viewer`;
   * "" if their roles allow it.
   * @param {string} view - the id of the view that makes the change
   */
  refusal(view) {
    const rows = this.rows.filter(({ number }) => this.chosen.size === 0 || this.chosen.has(number));
    const below = rows.filter(({ needs }) => needs?.[view]);
    if (below.length === 0) return "";
    const needed = [...new Set(below.map(({ needs }) => needs?.[view]))].join(" or ");
    const granted = [...new Set(below.map(({ role }) => role))].sort().map((role) => {
      const count = below.filter((row) => row.role === role).length;
      return `${count} of ${rows.length} ${rows.length === 1 ? "rank" : "ranks"} ${count === 1 ? "grants" : "grant"} ${role}`;
    });
    return `needs role ${needed}; ${granted.join(", ")}`;
  }

  /** The chosen ranks in words. */
  get scope() {
    if (this.chosen.size === 0) return this.rows.length === 1 ? "the only rank" : `all ${this.rows.length} ranks`;
    const listed = new Set(this.rows.map(({ number }) => number));
    const left = rangesOf([...this.chosen].filter((number) => !listed.has(number)));
    const note = left && `; no longer listed: ${left}`;
    return `${this.chosen.size} chosen ${this.chosen.size === 1 ? "rank" : "ranks"} (${rangesOf(this.chosen)}${note})`;
  }
}
