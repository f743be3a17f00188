// What the wall of ranks shows of each rank: texts, order and groups.

import { duration, format } from "../scales.js";

/** @typedef {"ok" | "warning" | "failing" | "unknown" | "down"} State */

/** @type {Record<State, string>} */
export const SYMBOLS = { down: "✘", failing: "✘", warning: "▲", unknown: "?", ok: "✔" };
const STATES = /** @type {State[]} */ (Object.keys(SYMBOLS));

/** The columns that can be sorted, in their order. */
export const COLUMNS = [
  "Rank",
  "Health",
  "Mode",
  "Hit rate",
  "Requested",
  "Usage",
  "Host",
  "Model",
  "Version",
  "Uptime",
];

/** @param {RankRow} row @returns {State} */
export function stateOf(row) {
  if (row.error !== null) return "down";
  const known = STATES.find((state) => state === row.health);
  return known ?? "unknown";
}

/**
 * Return the texts of a row, one for each column.
 * @param {RankEntry} entry
 * @param {number} now - in ms since the epoch
 * @returns {string[]}
 */
export function textsOf({ row, figures }, now) {
  const state = stateOf(row);
  const reasons = row.error === null ? (row.reasons ?? []) : [row.error];
  const share = row.usage && row.limit ? ` (${format(row.usage / row.limit, "percent")})` : "";
  return [
    `${row.number} ${row.name}`,
    `${SYMBOLS[state]} ${[state, ...reasons].join(": ")}`,
    row.mode ?? "",
    format(figures?.hitRate, "percent"),
    format(figures?.requested, "per second"),
    row.error === null ? format(row.usage, "bytes") + share : "–",
    row.host,
    row.model,
    [row.kind === "in-process" ? "" : row.kind, row.version].filter(Boolean).join(" "),
    row.started && row.error === null ? duration(now / 1000 - row.started) : "–",
  ];
}

/**
 * Return what a column is sorted by: the worst health and the largest numbers are first, as in `lmcache-internal top`.
 * @param {RankEntry} entry
 * @param {string} column
 * @returns {number | string | null} null for a rank without a value, which is last in both directions
 */
function sortKey({ row, figures }, column) {
  const negative = (/** @type {number | null | undefined} */ value) => (typeof value === "number" ? -value : null);
  switch (column) {
    case "Health":
      return STATES.indexOf(stateOf(row));
    case "Mode":
      return row.mode || null;
    case "Hit rate":
      return negative(figures?.hitRate);
    case "Requested":
      return negative(figures?.requested);
    case "Usage":
      return row.error === null ? negative(row.usage) : null;
    case "Host":
      return row.host;
    case "Model":
      return row.model || null;
    case "Version":
      return row.version || null;
    case "Uptime":
      return row.started ?? null;
    default:
      return row.number;
  }
}

/**
 * Return the entries in the order of a column, ranks of equal values by number.
 * @param {RankEntry[]} entries
 * @param {string} column
 * @param {boolean} reverse
 */
export function sorted(entries, column, reverse) {
  const keyed = entries.map((entry) => ({ entry, key: sortKey(entry, column) }));
  const sign = reverse ? -1 : 1;
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return Number(a.key === null) - Number(b.key === null) || order(a, b);
    return sign * (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) || order(a, b);
  });
  return keyed.map(({ entry }) => entry);
}

/** @param {{entry: RankEntry}} a @param {{entry: RankEntry}} b */
function order(a, b) {
  return a.entry.row.number - b.entry.row.number;
}

/**
 * Return the groups of entries by host, model or kind; one group without a name for none.
 * @param {RankEntry[]} entries
 * @param {string} by
 * @returns {Map<string, RankEntry[]>}
 */
export function groupsOf(entries, by) {
  const groups = new Map(by === "" ? [["", /** @type {RankEntry[]} */ ([])]] : []);
  for (const entry of entries) {
    const name = by === "host" || by === "model" || by === "kind" ? entry.row[by] || "unknown" : "";
    const group = groups.get(name);
    if (group) group.push(entry);
    else groups.set(name, [entry]);
  }
  return groups;
}

/**
 * Return how many ranks are in each state, such as `3 ok, 1 down`.
 * @param {RankRow[]} rows
 */
export function summaryOf(rows) {
  const counts = [...STATES].reverse().map((state) => ({
    state,
    count: rows.filter((row) => stateOf(row) === state).length,
  }));
  return counts
    .filter(({ count }) => count > 0)
    .map(({ state, count }) => `${count} ${state}`)
    .join(", ");
}
