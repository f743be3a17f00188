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
