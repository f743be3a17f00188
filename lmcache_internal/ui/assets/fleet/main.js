// The frame of the fleet's page: navigation, polling, and the age of the data.

import { ApiError, Client } from "../client.js";
import { h, replace } from "../dom.js";
import { Poller } from "../poller.js";
import { duration } from "../scales.js";
import { view as charts } from "./charts.js";
import { view as configuration } from "./configuration.js";
import { view as loglevels } from "./loglevels.js";
import { view as search } from "./search.js";
import { FleetState } from "./state.js";
import { view as threads } from "./threads.js";
import { view as wall } from "./wall.js";

const VIEWS = [wall, charts, configuration, loglevels, threads, search];

const client = new Client("");
const state = new FleetState();
/** @type {Map<string, ReturnType<import("./state.js").FleetView["create"]>>} */
const opened = new Map();
let lastSuccess = 0;
let failed = false;

const navigation = h("nav", { "aria-label": "Views" });
const status = h("p", { class: "status", role: "status" });
const problem = h("p", { class: "error", role: "alert" });
const main = h("main", { tabindex: -1 });
const roles = h("span", { class: "quiet" });

function chosen() {
  return VIEWS.find(({ id }) => `#${id}` === location.hash) ?? VIEWS[0];
}

function current() {
  const view = chosen();
  const instance = opened.get(view.id) ?? view.create({ client, state });
  opened.set(view.id, instance);
  return instance;
}

async function show() {
  const view = chosen();
  document.title = `${view.title} · LMCache fleet`;
  replace(
    navigation,
    VIEWS.map(({ id, title }) => h("a", { href: `#${id}`, "aria-current": id === view.id ? "page" : null }, title)),
  );
  replace(main, h("h1", {}, view.title), current().element);
  current().poll();
  await reported(() => current().refresh());
}

/**
 * Do something, and show why it failed.
 * @param {() => Promise<void>} act
 */
async function reported(act) {
  try {
    await act();
    problem.textContent = "";
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    problem.textContent = error.status ? `${error.status}: ${error.message}` : `No data: ${error.message}.`;
  }
}

async function poll() {
  try {
    state.add(await client.json("/fleet/poll"));
    if (failed) problem.textContent = "";
    [failed, lastSuccess] = [false, Date.now()];
  } catch (error) {
    failed = true;
    await reported(() => Promise.reject(error));
    throw error;
  } finally {
    showAge();
  }
  performance.mark("poll");
  current().poll();
  const found = [...new Set(state.rows.map(({ role }) => role).filter(Boolean))];
  roles.textContent = found.length ? `role ${found.join(", ")}` : "";
  performance.measure("poll", "poll");
}

function showAge() {
  const seconds = (Date.now() - lastSuccess) / 1000;
  const old = seconds > 6;
  const text = lastSuccess === 0 ? "No data yet" : old ? `Data is ${duration(seconds)} old` : "Live";
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("old", old);
}

window.addEventListener("hashchange", () => {
  show();
  main.focus({ preventScroll: true });
});
setInterval(showAge, 1000);

const skip = h("a", { href: "#", class: "skip" }, "Skip to content");
skip.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
const header = h("header", {}, skip, h("strong", {}, "LMCache fleet"), " ", status, " ", roles);
document.body.replaceChildren(header, navigation, problem, main);
show();
new Poller(poll).now();
