// The next step of a finding, with commands for this rank.

import { commandOf } from "./change.js";
import { h } from "./dom.js";
import { message } from "./texts.js";

const COMMAND = /`lmcache-internal ([^`]*) --index N`/g;

/**
 * Return a next step whose commands name this rank, and the backend if the evidence names one.
 * @param {Advice} found
 * @param {Address} address
 */
export function completed({ next_step: text, evidence }, { base, socket }) {
  const { backend } = evidence;
  const known = typeof backend === "string";
  const name = (/** @type {string} */ word) => (known && word === "NAME" ? backend : word);
  const step = text
    .replace(COMMAND, (_, words) => `\`${commandOf(base, words.split(" ").map(name), socket)}\``)
    .replace(/(?<=[=/])NAME\b/g, known ? encodeURIComponent(backend) : "NAME");
  return /\bNAME\b/.test(step) && !known ? `${step} NAME is the name of the backend.` : step;
}

/**
 * Return the next step and the evidence of a finding, as two elements.
 * @param {Advice} found
 * @param {Address} address
 */
export function advice(found, address) {
  return [
    h("p", {}, h("b", {}, "Next step: "), message(completed(found, address))),
    h("details", {}, h("summary", {}, "Evidence"), h("pre", {}, JSON.stringify(found.evidence, null, 2))),
  ];
}
