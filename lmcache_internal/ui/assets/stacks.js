// A group of threads with the same stack.

import { h } from "./dom.js";

/**
 * @param {Child[]} title
 * @param {SourceFrame[]} stack - the outermost frame first
 * @param {string} [note]
 */
export function stackGroup(title, stack, note = "") {
  const top = stack.at(-1);
  const where = h("span", { class: "quiet" }, `${top ? ` in ${top.function}` : ""}${note}`);
  const frames = [...stack].reverse().map(({ file, line, function: name, source }) => {
    const place = h("span", { class: "quiet" }, ` ${name}, ${file}:${line}`);
    return h("li", {}, h("code", {}, source || name), place);
  });
  return h("details", { class: "group" }, h("summary", {}, title, where), h("ol", {}, frames));
}
