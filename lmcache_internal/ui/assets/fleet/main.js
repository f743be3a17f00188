// The page of a fleet: navigation and polling.

import { ApiError, Client } from "../client.js";
import { h, replace, setText } from "../dom.js";
import { Frame } from "../frame.js";
import { Poller } from "../poller.js";
import { timed } from "../texts.js";
import { inTurns } from "../turns.js";
import { view as charts } from "./charts.js";
import { view as configuration } from "./configuration.js";
import { view as explain } from "./explain.js";
import { view as loglevels } from "./loglevels.js";
import { view as search } from "./search.js";
import { FleetState } from "./state.js";
import { view as threads } from "./threads.js";
import { view as wall } from "./wall.js";

const VIEWS = [wall, charts, configuration, loglevels, threads, explain, search];

const client = new Client("");
const state = new FleetState();
/** @type {Map<string, ReturnType<FleetView["create"]>>} */
const opened = new Map();
const roles = h("span", { class: "quiet" });
const listed = h("p", { class: "notice", role: "status" });
const frame = new Frame("LMCache fleet", [roles], [listed]);
let failed = false;

function chosen() {
  return VIEWS.find(({ id }) => `#${id}` === location.hash) ?? VIEWS[0];
}

function current() {
  const view = chosen();
  let instance = opened.get(view.id);
  if (!instance) {
    const { element, refresh: read, poll } = view.create({ client, state, refresh });
    instance = { element, refresh: inTurns(read), poll };
    opened.set(view.id, instance);
  }
  return instance;
}

function show() {
  const view = chosen();
  document.title = `${view.title} · LMCache fleet`;
  frame.navigate(
    VIEWS.map(({ id, title }) => h("a", { href: `#${id}`, "aria-current": id === view.id ? "page" : null }, title)),
  );
  replace(frame.main, h("h1", {}, view.title), current().element);
  current().poll();
  refresh();
}

/** Read the chosen view again, and show an error, unless another view was opened meanwhile. */
async function refresh() {
  const { hash } = location;
  let problem = null;
  try {
    await current().refresh();
  } catch (error) {
    if (!(error instanceof ApiError)) console.error(error);
    problem = error;
  }
  if (hash === location.hash) frame.show(problem);
}

async function poll() {
  try {
    state.add(await client.json("/fleet/poll"));
    frame.succeeded();
    setText(listed, timed(state.problem ?? ""));
    current().poll();
    const found = [...new Set(state.rows.map(({ role }) => role).filter(Boolean))];
    setText(roles, found.length ? `role ${found.join(", ")}` : "");
    if (failed) frame.show(null);
    failed = false;
  } catch (error) {
    if (!(error instanceof ApiError)) console.error(error);
    failed = true;
    frame.show(error);
    throw error;
  }
}

window.addEventListener("hashchange", () => {
  show();
  frame.main.focus({ preventScroll: true });
});
show();
new Poller(poll).now();
