"""The deliberate differences from LMCache's server; `python -m tests.conformance.differences` prints the document."""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """A deliberate difference.

    Attributes:
        since: the first LMCache release whose server differs.
        until: the first later release whose server no longer differs.
    """

    what: str
    theirs: str
    ours: str
    why: str
    since: Version = ()
    until: Version = (1000,)

    def applies_to(self, release: Version) -> bool:
        """Whether the server of that LMCache release differs."""
        return self.since <= release < self.until

    @property
    def versions(self) -> str:
        """The LMCache versions whose server differs."""
        since, until = (".".join(map(str, version)) for version in (self.since, self.until))
        return f"from {since}" if since else "all" if self.until == (1000,) else f"before {until}"


DIFFERENCES: dict[str, Difference] = {
    "types": Difference(
        "Invalid parameter type",
        "422 with a list of validation errors",
        '400 `{"error", "message"}` that names the parameter',
        "One error format, readable in a terminal",
    ),
    "error_shape": Difference(
        "Unknown path, method not allowed, and errors of /controller and /cache/load-fs-chunks",
        '`{"detail"}`',
        '`{"error", "message"}`; errors of /controller and /cache/load-fs-chunks keep `detail`; 405 lists the allowed '
        "methods",
        "One error format",
    ),
    "version": Difference(
        "GET /version, /lmc_version, /commit_id",
        "404",
        "The version",
        "Scripts use them",
        since=(0, 5, 7),
    ),
    "kvcache_info": Difference(
        "GET /cache/kvcache/info on a worker",
        "404, as without KV caches",
        "Their shapes",
        "A worker has KV caches",
        until=(0, 5),
    ),
    "head": Difference("HEAD and OPTIONS", "405", "Supported", "HTTP clients expect them"),
    "slash": Difference(
        "Trailing slash in a path", "Redirect to the host in the Host header", "Supported", "No open redirect"
    ),
    "infinity": Difference(
        "Infinite number in GET /conf", "`Infinity`, which is not valid JSON", "`null`", "Clients can parse it"
    ),
    "attributes": Difference(
        "`?names=` with a name that is not a config key",
        "500, or an internal attribute",
        "Ignored",
        "Only config keys and metadata fields are readable",
    ),
    "inference_version": Difference(
        "GET /inference_version on an adapter without that method, such as all of LMCache's",
        "500",
        "`vllm_version` from /inference_info; 503 if it is absent there",
        "The adapter has vLLM's version there",
    ),
    "loglevel": Difference("GET /loglevel?level=X without a logger", "`null`", "400", "`null` looks like success"),
    "basic_format": Difference(
        "level=BASIC_FORMAT or another attribute of Python's logging module",
        "500",
        "400 `Invalid log level`",
        "It is not a log level",
    ),
    "conversion": Difference(
        "POST /conf with a value that cannot be converted",
        "`Failed to set config value`",
        "`Invalid value for chunk_size: expected int, got 'abc'`",
        "The message shows how to fix the value",
    ),
    "guessing": Difference(
        "POST /conf with a value of another type: 12.7 for an int, a word or null for a bool or number",
        "Stored as 12, `false`, `null`",
        "Rejected with the expected type",
        "A guessed value may be wrong",
    ),
    "numbers": Difference(
        "`NaN`, `Infinity`, `1e400` or a lone surrogate in a JSON body",
        "Stored; later requests get 500",
        "400",
        "They make the config unreadable",
    ),
    "guarded": Difference(
        "POST /conf with `internal_api_server_*`, `run_script_api_enabled`, `script_allowed_imports`",
        "Stored",
        "`Config is not mutable at runtime`",
        "Security settings must not be writable over HTTP",
    ),
    "scripts": Difference(
        "Namespace of a script",
        "Separate global and local namespaces, eight builtins",
        "One namespace, all Python builtins; only imports are restricted",
        "Functions can use global names and builtins such as `len`",
    ),
    "imports": Difference(
        "Script that imports a module that is not allowed",
        "`Import of 'os' is not allowed`",
        "The message also names `script_allowed_imports`; `__future__` is always allowed",
        "The message shows how to allow the import",
    ),
    "location": Difference(
        "DELETE /cache/clear with an unknown location",
        "200, nothing removed",
        "404 with the known locations",
        "The 200 looks like success",
    ),
    "check_order": Difference(
        "Invalid argument on a scheduler", "503", "400", "Arguments are checked before the engine is required"
    ),
    "chunk_size": Difference(
        "GET /cache/kvcache/check without chunk_size",
        "200 without checksums",
        "400",
        "LMCache's documentation requires chunk_size",
    ),
    "kv_layout": Difference(
        "GET /cache/kvcache/check of layers with heads before tokens, or with blocks before keys and values",
        "Checksums of other elements, or `error`",
        "Checksums of the tokens",
        "Checksums are compared per token; see [KV layouts](lmcache.md#kv-layouts)",
    ),
    "record_slot": Difference(
        "POST /cache/kvcache/record_slot on a scheduler",
        "200 `false`; 500 with `enabled`",
        "503",
        "A scheduler has no engine",
    ),
}

UNCOMPARED: tuple[Difference, ...] = (
    Difference(
        "POST /cache/store that stores nothing: frozen, no backend, bypassed, hot cache disabled, already cached",
        "`num_tokens` only, as after a store",
        "Also `stored`, and `reason` if that is less; `stored` is null if the engine does not report it",
        "Failure must be visible",
    ),
    Difference(
        "Secrets in GET /env, /conf, /meta, /inference_info",
        "In plain text",
        "`***`",
        "Read access must not give access to other systems",
    ),
    Difference(
        "GET /metrics",
        "`text/plain`",
        "The full content type of the format; OpenMetrics or gzip on request",
        "Scrapers need it",
    ),
    Difference(
        "GET /loglevel?logger_name=X", "Creates the logger", "Only reads", "A read must not use memory permanently"
    ),
    Difference(
        "Script that does not end",
        "Blocks the server",
        "Stopped after 60 s; 504 with its stack",
        "One request must not block others",
    ),
    Difference(
        "Engine call that does not return",
        "Blocks the server",
        "504 after 30 s with the call and its start time; the thread is abandoned and counted",
        "Other requests must not block",
    ),
    Difference(
        "Two concurrent changes",
        "Impossible: requests run one at a time",
        "Changes run one at a time; the second gets 409 after 3 s, with the name of the running change",
        "Reads must not wait for a change",
    ),
    Difference(
        "Third concurrent script, or 33rd concurrent engine call",
        "Waits for the others",
        "503 with Retry-After and the names of the running calls",
        "Cheap requests must always get a thread and CPU time",
    ),
    Difference(
        "Request body larger than 1 MiB; on public routes larger than 16 KiB",
        "Accepted",
        "413",
        "The memory belongs to the engine",
    ),
    Difference("`tokens_mock=0:512`", "400", "Same as `0,512`", "The command line and HTTP accept the same syntax"),
    Difference("Huge `tokens_mock`, slot range or thread name", "Expanded", "400", "It would exhaust the memory"),
    Difference(
        "PUT /hot_cache/enable without a memory backend", "200 without effect", "409", "Failure must be visible"
    ),
    Difference("PUT /freeze while the engine starts", "200 without effect", "503", "Failure must be visible"),
    Difference(
        "PUT /bypass/remove of a closed backend",
        "400",
        "The backend is back in service",
        "Otherwise the bypass could not be removed",
    ),
    Difference("POST /backends with an unreachable remote", "200", "200 with `warnings`", "Failure must be visible"),
    Difference("GET /controller/workers", "Up to 30 s old", "Current", "Consistent with /controller/key-stats"),
    Difference(
        "Socket file on which a running process listens",
        "Removed",
        "Not removed; one error",
        "It belongs to a running server",
    ),
    Difference(
        "Socket path that other users can modify",
        "Used",
        "Rejected with one error; see [security.md](security.md#unix-socket)",
        "Another user could run a fake server there",
    ),
    Difference(
        "Port in use", "The thread ends with a log line", "`start()` raises one error", "The caller can handle it"
    ),
)


def cells(row: Difference) -> tuple[str, ...]:
    return row.what, row.theirs, row.ours, row.why, row.versions


def as_markdown() -> str:
    """Return the text of `docs/differences.md`."""
    rows = [
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells(row))} |\n"
        for row in (*DIFFERENCES.values(), *UNCOMPARED)
    ]
    return (
        "# Differences from LMCache's own server\n\n"
        "<!-- Generated by `make docs` from tests/conformance/differences.py; do not edit. -->\n\n"
        "All other responses are compatible: the conformance tests send the same requests to LMCache's server and to\n"
        "this server. They fail on any difference that is not listed, and on a compared difference that no longer\n"
        "exists.\n\n"
        "The last column lists the supported LMCache versions whose server differs.\n\n"
        "| case | LMCache's server | this server | reason | LMCache versions |\n"
        "| --- | --- | --- | --- | --- |\n" + "".join(rows)
    ) + _in_mp_mode()


def _in_mp_mode() -> str:
    from tests.conformance.mp_facts import MP_DIFFERENCES, MP_UNCOMPARED  # It needs what is defined here.

    rows = [f"| {' | '.join(cells(row))} |\n" for row in (*MP_DIFFERENCES.values(), *MP_UNCOMPARED)]
    return (
        "\n## Differences in MP mode\n\n"
        "A test sends the same requests to LMCache's [MP server](mp.md) and to this one, on one engine. It fails on\n"
        "any difference that is not listed. Tested with LMCache 0.5.6 and 0.5.7rc2.\n\n"
        "| case | LMCache's MP server | this server | reason | LMCache versions |\n| --- | --- | --- | --- | --- |\n"
        + "".join(rows)
    )


if __name__ == "__main__":
    print(as_markdown(), end="")
