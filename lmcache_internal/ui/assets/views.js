// The views of the dashboard, in the order of the navigation.

import { view as audit } from "./views/audit.js";
import { view as backends } from "./views/backends.js";
import { view as configuration } from "./views/configuration.js";
import { view as environment } from "./views/environment.js";
import { view as loglevels } from "./views/loglevels.js";
import { view as metadata } from "./views/metadata.js";
import { view as overview } from "./views/overview.js";
import { view as threads } from "./views/threads.js";

/**
 * @typedef {object} Context
 * @property {import("./client.js").Client} client
 * @property {(path: string) => string} requires - the role that `METHOD /path` requires, if the caller's is lower; else ""
 * @property {(change: import("./change.js").Change) => Promise<boolean>} change - asks, then makes a change; whether it did
 */

/**
 * @typedef {object} View
 * @property {string} id - the part of the URL behind #
 * @property {string} title
 * @property {boolean} [live] - whether it is refreshed regularly; others are when they are opened
 * @property {(context: Context) => {element: HTMLElement, refresh: () => Promise<void>}} create
 */

/** @type {View[]} */
export const VIEWS = [overview, backends, configuration, metadata, environment, loglevels, threads, audit];
