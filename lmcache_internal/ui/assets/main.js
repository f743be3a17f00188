// The frame of the dashboard: navigation, session, polling, and the age of the data.

import { confirm, make } from "./change.js";
import { ApiError, Client } from "./client.js";
import { h, replace } from "./dom.js";
import { links } from "./navigation.js";
import { Poller } from "./poller.js";
import { duration } from "./scales.js";
import { VIEWS } from "./views.js";

const ROLES = ["public", "viewer", "operator", "admin"];

const client = new Client(document.documentElement.dataset.root ?? "", document.documentElement.dataset);
/** @type {Map<string, string>} - `METHOD /path` to the required role */
const access = new Map();
/** @type {import("./navigation.js").Page[]} */
let pages = [];
let role = "";
let lastSuccess = 0;

const navigation = h("nav", { "aria-label": "Views" });
const status = h("p", { class: "status", role: "status" });
const problem = h("p", { class: "error", role: "alert" });
const who = h("span", { class: "quiet" });
const main = h("main", { tabindex: -1 });
const token = /** @type {HTMLInputElement} */ (
  h("input", { type: "password", autocomplete: "off", "aria-label": "Token", placeholder: "Token" })
);
const login = h("form", { class: "login" }, token, " ", h("button", {}, "Use token"));

/** @type {Map<string, {element: HTMLElement, refresh: () => Promise<void>}>} */
const opened = new Map();

/** @param {string} route */
function requires(route) {
  return above(access.get(route) ?? "admin");
}

/** @param {string} needed */
function above(needed) {
  return ROLES.indexOf(role) < ROLES.indexOf(needed) ? needed : "";
}

/** The views of this kind of engine; all until the session has begun. */
function offered() {
  return VIEWS.filter(({ route }) => !access.size || access.has(route));
}

function chosen() {
  return offered().find(({ id }) => `#${id}` === location.hash) ?? offered()[0];
}

function current() {
  const view = chosen();
  let instance = opened.get(view.id);
  if (!instance) {
    instance = view.create({
      client,
      requires,
      has: (route) => access.has(route),
      change: (change) => make(client, change),
      confirm: (change) => confirm(client, change),
    });
    opened.set(view.id, instance);
  }
  return instance;
}

/** The role that the chosen view requires, if the caller's is lower; else "". */
function refused() {
  return access.size ? requires(chosen().route) : "";
}

function show() {
  const view = chosen();
  document.title = `${view.title} · LMCache`;
  const views = access.size ? offered() : [];
  const entries = [
    ...(client.gateway.fleet ? [{ title: "← Fleet", href: "/", needed: "" }] : []),
    ...views.map(({ id, title, route }) => ({ title, href: `#${id}`, needed: requires(route) })),
    ...pages.map((page) => ({ title: page.title, href: client.root + page.path, needed: above(page.role) })),
    { title: "API", href: `${client.root}/docs`, needed: "" },
  ];
  replace(navigation, links(entries, `#${view.id}`));
  navigation.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  const needed = refused();
  const notice = h("p", { class: "notice" }, `This view requires the role ${needed}. Your role is ${role}.`);
  const content = access.size ? current().element : h("p", { class: "quiet" }, "Loading…");
  replace(main, h("h1", {}, view.title), needed ? notice : content);
}

async function startSession() {
  const session = await client.json("/ui/session");
  if (session.role !== role) opened.clear(); // Views are created for a role.
  role = session.role;
  who.textContent = `${session.caller}, ${session.role}`;
  login.hidden = !session.tokens;
  pages = session.pages;
  access.clear();
  for (const [route, needed] of Object.entries(session.routes)) access.set(route, needed);
  show();
  if (!access.size) throw new ApiError(401, "This server requires a token. Enter one above.");
}

async function refresh() {
  try {
    if (!access.size) await startSession();
    if (refused()) await client.json("/ui/session");
    else await current().refresh();
    lastSuccess = Date.now();
    problem.textContent = "";
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) access.clear();
    problem.textContent = error.status ? `${error.status}: ${error.message}` : `No data: ${error.message}.`;
    throw error;
  } finally {
    showAge();
  }
}

function showAge() {
  const seconds = (Date.now() - lastSuccess) / 1000;
  const old = seconds > 6;
  status.textContent = lastSuccess === 0 ? "No data yet" : old ? `Data is ${duration(seconds)} old` : "Live";
  status.classList.toggle("old", old);
}

const poller = new Poller(async () => {
  if (chosen().live || !access.size || lastSuccess === 0) await refresh();
  else await client.json("/ui/session").then(() => (lastSuccess = Date.now()));
});

login.addEventListener("submit", (event) => {
  event.preventDefault();
  client.token = token.value.trim();
  token.value = "";
  access.clear();
  poller.now();
});
window.addEventListener("hashchange", () => {
  show();
  main.focus({ preventScroll: true });
  refresh().catch(() => {});
});
setInterval(showAge, 1000);

const skip = h("a", { href: "#", class: "skip" }, "Skip to content");
skip.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
const header = h(
  "header",
  {},
  skip,
  h("strong", {}, ["LMCache", client.gateway.fleet].filter(Boolean).join(" · ")),
  " ",
  status,
  " ",
  who,
  " ",
  login,
);
document.body.replaceChildren(header, navigation, problem, main);
show();
poller.now();
