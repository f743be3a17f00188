// The fields that set a log level, for a rank and for a fleet.

import { h, input, select } from "./dom.js";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTSET"];

/** Return the labelled fields, and a function that reads what the user chose. */
export function levelFields() {
  const logger = input({ name: "logger", required: true, placeholder: "lmcache" });
  const level = select({}, LEVELS);
  const time = input({ placeholder: "10m; empty: until restart", pattern: "[0-9]{1,7}[smh]?" });
  const labels = [h("label", {}, "Logger ", logger), h("label", {}, "Level ", level), h("label", {}, "For ", time)];
  return { labels, read: () => ({ logger: logger.value.trim(), level: level.value, time: time.value.trim() }) };
}
