// Sends requests to the server. The token is kept in memory only, and is sent as a header.

const TIMEOUT_MS = 30_000;

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
  /** @param {string} root - the path where the app is mounted */
  constructor(root) {
    this.root = root;
    this.token = "";
  }

  /**
   * @param {string} path
   * @returns {Promise<any>}
   * @throws {ApiError}
   */
  async json(path) {
    return JSON.parse(await (await this.request("GET", path)).text());
  }

  /**
   * @param {string} path
   * @returns {Promise<string>}
   * @throws {ApiError}
   */
  async text(path) {
    return (await this.request("GET", path, undefined, "text/plain")).text();
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {any} [body] - a form, or what is sent as JSON
   * @param {string} [accept]
   * @returns {Promise<Response>}
   * @throws {ApiError}
   */
  async request(method, path, body, accept = "application/json") {
    const isForm = body instanceof FormData;
    /** @type {Record<string, string>} */
    const headers = { Accept: accept };
    if (method === "GET") headers["Lmcache-Internal-Poll"] = "1"; // Keeps it out of the list of recent requests.
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined && !isForm) headers["Content-Type"] = "application/json";
    const options = {
      method,
      headers,
      body: body === undefined || isForm ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    };
    let response;
    try {
      response = await fetch(this.root + path, options);
    } catch (error) {
      const late = error instanceof DOMException && error.name === "TimeoutError";
      throw new ApiError(0, late ? `no response in ${TIMEOUT_MS / 1000} s` : "the server cannot be reached");
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }
}

/** @param {Response} response */
async function errorOf(response) {
  const text = await response.text();
  const body = parsed(text);
  const message = body?.message || body?.error || text.trim() || response.statusText;
  return new ApiError(response.status, String(message), body);
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
