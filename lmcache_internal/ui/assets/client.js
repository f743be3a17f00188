// Sends requests to the server. The token is kept in memory only, and is sent as a header.

// The server responds within its own timeouts, which the session contains. The page waits for that response.
const MARGIN_SECONDS = 5;
const LONGEST_MS = 2 ** 31 - 1; // Of a timer in a browser.
const NO_ENGINE = /^LMCache engine not configured/;

/** A response that is not a success, or no response (status 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {any} [body] - the JSON of the response; null if it is not JSON
   */
  constructor(status, message, body = null) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/** The server of this page. */
export class Client {
  /**
   * @param {string} root - the path where the app is mounted
   * @param {DOMStringMap} [gateway] - how commands reach the server, if this page came through a gateway
   */
  constructor(root, gateway = {}) {
    this.root = root;
    this.token = "";
    /** The timeouts of the server, in seconds. */
    this.timeouts = { call: 30, script: 60 };
    this.gateway = gateway;
  }

  /** The URL of the server for commands, its Unix socket if any, and whether it needs a token. */
  get address() {
    const { base = location.origin + this.root, socket = "", token } = this.gateway;
    return { base, socket, token: Boolean(this.token) || token === "1" };
  }

  /** @param {string} path */
  json(path) {
    return this.send("GET", path);
  }

  /** @param {string} path */
  text(path) {
    return this.request("GET", path, undefined, "text/plain");
  }

  /**
   * Send a request, and return the JSON of the response.
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body] - as of `request`
   * @returns {Promise<any>}
   * @throws {ApiError}
   */
  async send(method, path, body) {
    const found = parsed(await this.request(method, path, body));
    if (found === undefined) throw new ApiError(0, `the response to ${method} ${path} is not JSON`);
    return found;
  }

  /**
   * Send a request, and return the body of the response.
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body] - a form, or what is sent as JSON
   * @param {string} [accept]
   * @returns {Promise<string>}
   * @throws {ApiError}
   */
  async request(method, path, body, accept = "application/json") {
    /** @type {Record<string, string>} */
    const headers = { Accept: accept };
    if (method === "GET") headers["Lmcache-Internal-Poll"] = "1"; // Keeps it out of the list of recent requests.
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined && !(body instanceof FormData)) headers["Content-Type"] = "application/json";
    const content = body === undefined || body instanceof FormData ? body : JSON.stringify(body);
    const wait = waitMs(path === "/run_script" ? this.timeouts.script : this.timeouts.call);
    let response, text;
    try {
      const options = { method, headers, body: content, signal: AbortSignal.timeout(wait) };
      response = await fetch(this.root + path, options);
      text = await response.text(); // The server may hang or end in the middle of the body, too.
    } catch (error) {
      const late = error instanceof DOMException && error.name === "TimeoutError";
      throw new ApiError(0, late ? `no response in ${wait / 1000} s` : "the server cannot be reached");
    }
    if (!response.ok) throw errorOf(response, text);
    return text;
  }
}

/**
 * Return how long the page waits for a response, in ms.
 * @param {number} seconds - the timeout of the server
 */
export function waitMs(seconds) {
  return Math.min(LONGEST_MS, (seconds + MARGIN_SECONDS) * 1000);
}

/**
 * Return the text of an error, with the status if there was a response.
 * @param {unknown} error
 */
export function errorText(error) {
  if (error instanceof ApiError) return `${error.status || "Error"}: ${error.message}`;
  return `This page has a fault: ${error}. Reload it, and report the fault.`;
}

/**
 * Return why a page has no data.
 * @param {unknown} error
 */
export function problemOf(error) {
  if (!(error instanceof ApiError)) return errorText(error);
  const hint = NO_ENGINE.test(error.message) ? " A scheduler has none: open the page of a worker." : "";
  return error.status ? `${errorText(error)}${hint}` : `No data: ${error.message}.`;
}

/** @param {Response} response @param {string} text - its body */
function errorOf({ status, statusText }, text) {
  const body = parsed(text) ?? null;
  const message = body?.message || body?.error || text.trim() || statusText;
  return new ApiError(status, String(message), body);
}

/**
 * Return the value of a JSON text; undefined if it is not JSON.
 * @param {string} text
 * @returns {any}
 */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
