// Shows which chunks of a prompt are cached, and why the others are not.

import { h, svg } from "./dom.js";
import { table } from "./rows.js";

/** @typedef {{start: number, end: number, backends: string[], storage: string | null, hit: boolean, key: {chunk_hash: string}}} Chunk */
/** @typedef {{code: string, message: string, next_step: string, evidence: Record<string, unknown>}} Reason */
/** @typedef {{tokens: number, chunk_size: number, hit_tokens: number | null, missing_tokens: number | null, remainder_tokens: number, chunks: Chunk[], reasons: Reason[], not_checked: string[]}} Explanation */

const WIDTH = 1000;
const ROWS = 500;

/** @param {Explanation} found */
export function explanation(found) {
  const rows = found.chunks
    .slice(0, ROWS)
    .map(({ start, end, hit, backends, key }) => [
      `${start}–${end}`,
      hit ? "✔ hit" : "✘ miss",
      backends.join(", ") || "none",
      h("code", {}, key.chunk_hash.slice(0, 16)),
    ]);
  const cut = found.chunks.length > ROWS && `The first ${ROWS} of ${found.chunks.length} chunks are listed.`;
  return h(
    "div",
    {},
    h("p", { class: "badge" }, summaryOf(found)),
    strip(found),
    found.reasons.length > 0 && h("h2", {}, "Why not all"),
    found.reasons.map(reason),
    found.not_checked.length > 0 && h("p", { class: "quiet" }, `Not checked: ${found.not_checked.join(", ")}.`),
    h(
      "details",
      { class: "group" },
      h("summary", {}, "Chunks"),
      table("Chunks", ["Tokens", "Result", "Backends", "Hash"], rows),
      cut && h("p", { class: "quiet" }, cut),
    ),
  );
}

/** @param {Explanation} found */
export function summaryOf({ tokens, chunk_size: size, hit_tokens: hit, remainder_tokens: rest }) {
  const cached = hit === null ? "This rank has no storage" : `${hit} of ${tokens} tokens are cached`;
  const tail = rest > 0 ? `; the last ${rest} are not a whole chunk of ${size}` : "";
  return `${cached}${tail}.`;
}

/**
 * The chunks as one bar: hits are filled, misses are outlined.
 * @param {Explanation} found
 */
function strip({ chunks }) {
  if (chunks.length === 0) return null;
  const end = chunks[chunks.length - 1].end - chunks[0].start;
  const hits = chunks.filter(({ hit }) => hit).length;
  return svg(
    "svg",
    {
      class: "strip",
      viewBox: `0 0 ${WIDTH} 24`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${hits} of ${chunks.length} chunks are hits.`,
    },
    chunks.map(({ start, end: to, hit }) =>
      svg("rect", {
        class: hit ? "hit" : "miss",
        x: ((start - chunks[0].start) / end) * WIDTH,
        y: 2,
        width: ((to - start) / end) * WIDTH,
        height: 20,
      }),
    ),
  );
}

/** @param {Reason} found */
function reason({ code, message, next_step: next, evidence }) {
  return h(
    "section",
    { class: "group" },
    h("p", {}, message, h("span", { class: "quiet" }, ` (${code})`)),
    h("p", {}, h("b", {}, "Next step: "), next),
    h("details", {}, h("summary", {}, "Evidence"), h("pre", {}, JSON.stringify(evidence, null, 2))),
  );
}
