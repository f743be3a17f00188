// What a clear of the cache would remove.

import { h, replace, select } from "../dom.js";
import { Scrape, parse } from "../exposition.js";
import { l1Of } from "../mp_status.js";
import { format } from "../scales.js";

const NAMES = ["lmcache:local_cache_usage", "lmcache:local_storage_usage", "lmcache:local_cpu_hot_cache_count"];

/**
 * Return the choice of the backend to clear, the size of the caches, and the change.
 * @param {Context} context
 */
export function clearChoice({ client, has }) {
  const isMp = has("POST /cache/clear");
  const size = h("ul", { class: "plain" });
  const choice = select({ "aria-label": "Backend to clear" }, []);
  /** @type {Record<string, string>} - backend to what is in it */
  let contents = {};

  async function refresh() {
    contents = isMp ? await ofMpServer(client) : await ofRank(client);
    const items = Object.entries(contents).map(([name, content]) => h("li", {}, `${name}: ${content}`));
    replace(size, items);
    const chosen = choice.value;
    const options = Object.keys(contents).map((name) => h("option", { selected: name === chosen }, name));
    replace(choice, options);
  }

  return {
    size,
    choice,
    refresh,
    route: isMp ? "POST /cache/clear" : "DELETE /cache/clear",
    change: () => clearChange(choice.value, contents[choice.value] ?? "unknown", isMp),
  };
}

/**
 * @param {string} backend
 * @param {string} content
 * @param {boolean} isMp
 * @returns {Change}
 */
export function clearChange(backend, content, isMp) {
  const details = `This would remove: ${content}.`;
  const title = `Clear ${backend}`;
  if (isMp) return { title, method: "POST", path: "/cache/clear", body: { tier: "l1" }, type: "clear", details };
  const path = `/cache/clear?locations=${encodeURIComponent(backend)}`;
  return { title, method: "DELETE", path, command: ["cache", "clear", "--location", backend], type: "clear", details };
}

/**
 * @param {Client} client
 * @returns {Promise<Record<string, string>>}
 */
async function ofRank(client) {
  const query = NAMES.map((name) => `name[]=${name}`).join("&");
  const [backends, text] = await Promise.all([client.json("/backends"), client.text(`/metrics?${query}`)]);
  const [memory, disk, chunks] = NAMES.map((name) => new Scrape(parse(text), 0).sum(name));
  /** @type {Record<string, string>} */
  const known = {
    LocalCPUBackend: `${format(chunks, "number")} chunks in memory, ${format(memory, "bytes")}`,
    LocalDiskBackend: `${format(disk, "bytes")} on disk`,
  };
  return Object.fromEntries(
    Object.keys(backends).map((name) => [name, known[name] ?? "all of its chunks; it does not report how many"]),
  );
}

/**
 * @param {Client} client
 * @returns {Promise<Record<string, string>>}
 */
async function ofMpServer(client) {
  const { objects, used } = l1Of(await client.json("/status"));
  return { L1: `${format(objects, "number")} objects in memory, ${format(used, "bytes")}, without those in use` };
}
