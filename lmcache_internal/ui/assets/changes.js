// What changed lately, from the audit log and the revisions of the configuration.

/** @typedef {{time: string, caller?: string, method: string, path: string, arguments?: Record<string, unknown>, status: number}} AuditEntry */
/** @typedef {{number: number, time: string, changes: Record<string, {old: unknown, new: unknown}>, rollback: boolean}} Revision */
/** @typedef {{time: number, label: string}} Change - time in ms since the epoch */

const READS = new Set(["/cache/explain", "/cache/checksums"]);

/**
 * Return the changes, oldest first. A change of the configuration appears once, as its revision.
 * @param {AuditEntry[]} audit - empty if the role may not read it
 * @param {Revision[]} revisions
 * @returns {Change[]}
 */
export function changesOf(audit, revisions) {
  const made = audit.filter(
    ({ method, path, status }) => status < 400 && method !== "GET" && !READS.has(path) && !path.startsWith("/conf"),
  );
  const labelled = [
    ...made.map((entry) => ({ time: Date.parse(entry.time), label: labelOf(entry) })),
    ...revisions.map((revision) => ({ time: Date.parse(revision.time), label: revisionLabel(revision) })),
  ];
  return labelled.sort((a, b) => a.time - b.time);
}

/** @param {AuditEntry} entry */
function labelOf({ method, path, arguments: given = {}, caller }) {
  const values = Object.entries(given).map(([name, value]) => `${name}=${value}`);
  const details = values.length > 0 ? ` (${values.join(", ")})` : "";
  return `${method} ${path}${details}${caller ? ` by ${caller}` : ""}`;
}

/** @param {Revision} revision */
function revisionLabel({ number, changes, rollback }) {
  const parts = Object.entries(changes).map(
    ([name, { old, new: to }]) => `${name}: ${JSON.stringify(old)} → ${JSON.stringify(to)}`,
  );
  return `Configuration revision ${number}${rollback ? " (rollback)" : ""}: ${parts.join(", ")}`;
}
