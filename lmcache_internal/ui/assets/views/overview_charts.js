// The charts of the overview: a label and a key of the history for each line.

/** @type {ChartPlan[]} */
export const CHARTS = [
  { title: "Token hit rate, last 30 s", unit: "percent", highest: 1, lines: { "hit rate": "hitRate" } },
  {
    title: "Tokens, last 30 s",
    unit: "per second",
    lines: { requested: "requested", hit: "hit", stored: "stored" },
  },
  { title: "Usage of the local backends", unit: "bytes", lines: { memory: "memory", disk: "disk" } },
  {
    title: "Median latency (p50), last 30 s",
    unit: "seconds",
    lines: { retrieve: "retrieve50", store: "store50", lookup: "lookup50" },
  },
  {
    title: "Slowest 5 % (p95), last 30 s",
    unit: "seconds",
    lines: { retrieve: "retrieve95", store: "store95", lookup: "lookup95" },
  },
  {
    title: "Evictions and failures, last 30 s",
    unit: "per second",
    lines: { evictions: "evictions", "failed gets": "getFailures", "failed puts": "putFailures" },
  },
];
