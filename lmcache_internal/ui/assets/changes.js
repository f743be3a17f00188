// What changed lately, from the audit log and the revisions of the configuration.

const READS = new Set(["/cache/explain", "/cache/checksums"]);
const TRUE = /^(true|1|yes|on|t|y)$/i; // As the server reads it.

/**
 * Return the changes, oldest first. A change of the configuration appears once, as its revision.
 * @param {AuditEntry[]} audit - empty if the role may not read it
 * @param {Revision[]} revisions
 * @returns {Mark[]}
 */
export function changesOf(audit, revisions) {
  const changed = audit.filter(({ method, status }) => status < 400 && method !== "GET");
  const made = changed.filter(
    ({ path, arguments: given }) =>
      !READS.has(path) && !path.startsWith("/conf") && !TRUE.test(String(given?.dry_run ?? "")),
  );
  const labelled = [
    ...made.map((entry) => ({ time: Date.parse(entry.time), label: labelOf(entry) })),
    ...revisions.map((revision) => ({ time: Date.parse(revision.time), label: revisionLabel(revision) })),
  ];
  return labelled.filter(({ time }) => Number.isFinite(time)).sort((a, b) => a.time - b.time);
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
