// The links to the views and to the pages of plugins.

import { h } from "./dom.js";

/** @typedef {{title: string, path: string, role: string}} Page - a page of a plugin, with the role that it requires */
/** @typedef {{title: string, href: string, needed: string}} Entry - `needed`: the role that the caller lacks, or "" */

/**
 * @param {Entry[]} entries
 * @param {string} current - the `href` of the view that is shown
 */
export function links(entries, current) {
  return entries.map(({ title, href, needed }) =>
    h(
      "a",
      { href, "aria-current": href === current ? "page" : null, title: needed && `Requires the role ${needed}` },
      title,
      needed && h("span", { class: "needed" }, ` (${needed})`),
    ),
  );
}
