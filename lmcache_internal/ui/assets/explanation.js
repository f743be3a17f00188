// Shows which chunks of a prompt are cached, and why the others are not.

import { h, svg } from "./dom.js";
import { advice } from "./next_step.js";
import { table } from "./rows.js";
import { message as parts } from "./texts.js";

const WIDTH = 1000;
const ROWS = 500;

/** @param {Explanation} found @param {Address} address - of the rank */
export function explanation(found, address) {
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
    found.reasons.map((each) => reason(each, address)),
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

/** @param {Pick<Explanation, "tokens" | "chunk_size" | "hit_tokens" | "remainder_tokens">} found */
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

/** @param {Reason} found @param {Address} address */
function reason(found, address) {
  const text = h("p", {}, parts(found.message), h("span", { class: "quiet" }, ` (${found.code})`));
  return h("section", { class: "group" }, text, advice(found, address));
}

/**
 * Return what a user typed as a range (`0,1024`) or as a list of tokens (`[1, 2]`, `1 2`).
 * @param {string} text
 * @returns {{range: string} | {tokens: number[]}}
 */
export function tokensOf(text) {
  const isRange = /^\s*\d+\s*[,:]\s*\d+\s*$/.test(text);
  return isRange ? { range: text.replace(/\s/g, "") } : { tokens: (text.match(/-?\d+/g) ?? []).map(Number) };
}

export const TOKENS_HINT = "A range, such as 0,1024, or the tokens of a prompt as a list: [1, 2, 3].";
