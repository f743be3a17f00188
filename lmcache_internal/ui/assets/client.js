// Sends requests to the server. The token is kept in memory only, and is sent as a header.

const TIMEOUT_MS = 30_000;

/** A response that is not a success, or no response (status 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
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
   * @param {unknown} [body] - sent as JSON
   * @param {string} [accept]
   * @returns {Promise<Response>}
   * @throws {ApiError}
   */
  async request(method, path, body, accept = "application/json") {
    /** @type {Record<string, string>} */
    const headers = { Accept: accept };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const options = {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    };
    let response;
    try {
      response = await fetch(this.root + path, options);
    } catch (error) {
      const late = error instanceof DOMException && error.name === "TimeoutError";
      throw new ApiError(0, late ? `no response in ${TIMEOUT_MS / 1000} s` : "the server cannot be reached");
    }
    if (!response.ok) throw new ApiError(response.status, await messageOf(response));
    return response;
  }
}

/** @param {Response} response */
async function messageOf(response) {
  const text = await response.text();
  try {
    const body = JSON.parse(text);
    return String(body.message || body.error || text);
  } catch {
    return text.trim() || response.statusText;
  }
}
