// The links to the views and to the pages of plugins.

import { h } from "./dom.js";

/**
 * @param {NavigationEntry[]} entries
 * @param {string} current - the `href` of the view that is shown
 */
export function links(entries, current) {
  return entries.map(({ title, href, needed, place }) =>
    h(
      href === null ? "span" : "a",
      {
        href,
        rel: place && "noreferrer",
        "aria-current": href === current ? "page" : null,
        title: needed && `Requires the role ${needed}`,
      },
      title,
      needed && h("span", { class: "needed" }, ` (${needed})`),
      place && h("span", { class: "needed" }, href === null ? ` (only at ${place})` : ` (opens at ${place})`),
    ),
  );
}

/**
 * Return the entry for a page of a plugin. A gateway passes on no pages, so that they open at the server itself.
 * @param {PluginPage} page
 * @param {string} needed - the role that the caller lacks, or ""
 * @param {string} root - the path where the app is mounted
 * @param {DOMStringMap} gateway - how to reach the server, if this page came through a gateway
 * @returns {NavigationEntry}
 */
export function pageEntry({ title, path }, needed, root, { fleet, base = "", socket = "" }) {
  if (!fleet) return { title, href: root + path, needed };
  const opens = !socket && /^https?:\/\//.test(base) && path.startsWith("/");
  return { title, href: opens ? base + path : null, needed, place: socket || base };
}
