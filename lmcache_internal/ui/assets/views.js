// The views of the dashboard, in the order of the navigation.

import { view as audit } from "./views/audit.js";
import { view as backends } from "./views/backends.js";
import { view as cache } from "./views/cache.js";
import { view as configuration } from "./views/configuration.js";
import { view as doctor } from "./views/doctor.js";
import { view as environment } from "./views/environment.js";
import { view as loglevels } from "./views/loglevels.js";
import { view as metadata } from "./views/metadata.js";
import { view as mp } from "./views/mp.js";
import { view as overview } from "./views/overview.js";
import { view as requests } from "./views/requests.js";
import { view as scripts } from "./views/scripts.js";
import { view as threads } from "./views/threads.js";

/**
 * @typedef {object} Context
 * @property {import("./client.js").Client} client
 * @property {(path: string) => string} requires - the role that `METHOD /path` requires, if the caller's is lower; else ""
 * @property {(path: string) => boolean} has - whether this kind of engine has the route `METHOD /path`
 * @property {(change: import("./change.js").Change) => Promise<string | null>} change - asks, then makes a change; the body of the response, or null if it was not made
 * @property {(change: import("./change.js").Change) => Promise<boolean>} confirm - asks before a change
 */

/**
 * @typedef {object} View
 * @property {string} id - the part of the URL behind #
 * @property {string} title
 * @property {string} route - the `METHOD /path` that the view needs; it is not offered where the engine has none
 * @property {boolean} [live] - whether it is refreshed regularly; others are when they are opened
 * @property {(context: Context) => {element: HTMLElement, refresh: () => Promise<void>}} create
 */

/** @type {View[]} */
export const VIEWS = [
  overview,
  doctor,
  mp,
  backends,
  cache,
  configuration,
  metadata,
  environment,
  loglevels,
  threads,
  requests,
  scripts,
  audit,
];
