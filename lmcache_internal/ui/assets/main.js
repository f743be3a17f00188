// The page of a rank: navigation, session and polling.

import { confirm, make } from "./change.js";
import { ApiError, Client } from "./client.js";
import { h, input, replace } from "./dom.js";
import { Frame } from "./frame.js";
import { links, pageEntry } from "./navigation.js";
import { Poller } from "./poller.js";
import { inTurns } from "./turns.js";
import { VIEWS } from "./views.js";

const ROLES = ["public", "viewer", "operator", "admin"];

const client = new Client(document.documentElement.dataset.root ?? "", document.documentElement.dataset);
/** @type {Map<string, string>} - `METHOD /path` to the required role */
const access = new Map();
/** @type {PluginPage[]} */
let pages = [];
let role = "";
let rank = "";
/** Whether the chosen view has yet to be read. */
let isUnread = true;

const who = h("span", { class: "quiet" });
const token = input({ type: "password", "aria-label": "Token", placeholder: "Token" });
const login = h("form", { class: "login" }, token, " ", h("button", {}, "Use token"));
const frame = new Frame("LMCache", [who, " ", login]);
const { main } = frame;

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
    const { element, refresh: read } = view.create({
      client,
      requires,
      has: (route) => access.has(route),
      change: (change) => make(client, change),
      confirm: (change) => confirm(client, change),
      refresh: () => refresh().catch(() => {}), // The page shows the error.
    });
    instance = { element, refresh: inTurns(read) };
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
  frame.title.textContent = ["LMCache", client.gateway.fleet ?? rank].filter(Boolean).join(" · ");
  document.title = `${view.title} · ${frame.title.textContent}`;
  const views = access.size ? offered() : [];
  const entries = [
    ...(client.gateway.fleet ? [{ title: "← Fleet", href: "/", needed: "" }] : []),
    ...views.map(({ id, title, route }) => ({ title, href: `#${id}`, needed: requires(route) })),
    ...pages.map((page) => pageEntry(page, above(page.role), client.root, client.gateway)),
    { title: "API", href: `${client.root}/docs`, needed: "" },
  ];
  frame.navigate(links(entries, `#${view.id}`));
  const needed = refused();
  const notice = h("p", { class: "notice" }, `This view requires the role ${needed}. Your role is ${role}.`);
  const content = access.size ? current().element : h("p", { class: "quiet loading" }, "Loading…");
  replace(main, h("h1", {}, view.title), needed ? notice : content);
}

async function startSession() {
  const token = client.token;
  const session = await client.json("/ui/session");
  if (token !== client.token) return startSession(); // Another token was entered meanwhile.
  if (session.role !== role) opened.clear(); // Views are created for a role.
  role = session.role;
  rank = session.rank ?? "";
  who.textContent = `${session.caller}, role ${session.role}`;
  login.hidden = !session.tokens;
  client.timeouts = session.timeouts ?? client.timeouts; // Older servers behind a gateway have none.
  pages = session.pages;
  access.clear();
  for (const [route, needed] of Object.entries(session.routes)) access.set(route, needed);
  show();
  if (!access.size) throw new ApiError(401, "This server requires a token. Enter one above.");
}

/** Read whether the server is there, and whether the role is still the same. */
async function ping() {
  const session = await client.json("/ui/session");
  if (session.role !== role) access.clear();
}

/**
 * Read from the server, and show an error. What another view or another token has asked for shows nothing any more.
 * @param {() => Promise<void>} read
 */
async function attempt(read) {
  const asked = [location.hash, client.token];
  const isCurrent = () => asked[0] === location.hash && asked[1] === client.token;
  try {
    if (!access.size) await startSession();
    await read();
    if (!isCurrent()) return;
    frame.succeeded();
    frame.show(null);
  } catch (error) {
    if (!(error instanceof ApiError)) console.error(error);
    if (isCurrent()) {
      frame.show(error);
      if (error instanceof ApiError && error.status === 401) access.clear();
    }
    throw error;
  }
}

async function refresh() {
  const { hash } = location;
  isUnread = true; // Until it succeeds: each poll tries again.
  await attempt(() => (refused() ? ping() : current().refresh()));
  if (hash === location.hash) isUnread = false;
}

const poller = new Poller(() => (chosen().live || isUnread || !access.size ? refresh() : attempt(ping)));

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
  refresh().catch(() => {}); // The page shows the error.
});
show();
poller.now();
