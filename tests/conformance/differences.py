"""Where we answer otherwise than LMCache's server on purpose.

`python -m tests.conformance.differences` prints `docs/differences.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """What a client sees there and here, and why.

    Attributes:
        since: the LMCache release whose server was the first to answer so.
        until: the release whose server answers as ours again.
    """

    what: str
    theirs: str
    ours: str
    why: str
    since: Version = ()
    until: Version = (1000,)

    def applies_to(self, release: Version) -> bool:
        """Whether the server of that release of LMCache answers so."""
        return self.since <= release < self.until

    @property
    def versions(self) -> str:
        """The versions of LMCache whose server answers so."""
        since, until = (".".join(map(str, version)) for version in (self.since, self.until))
        return f"from {since}" if since else "all" if self.until == (1000,) else f"before {until}"


DIFFERENCES: dict[str, Difference] = {
    "types": Difference(
        "wrong parameter types",
        "422 with a validation dump",
        '400 `{"error", "message"}` that names the parameter',
        "one error shape, readable in a terminal",
    ),
    "error_shape": Difference(
        "unknown path, wrong method, and the errors of /controller and /cache/load-fs-chunks",
        '`{"detail"}`',
        '`{"error", "message"}`, with LMCache\'s `detail` beside them where the route is its own; 405 names what is '
        "allowed",
        "one error shape",
    ),
    "version": Difference(
        "GET /version, /lmc_version, /commit_id",
        "404",
        "the version",
        "scripts rely on them",
        since=(0, 5, 7),
    ),
    "kvcache_info": Difference(
        "GET /cache/kvcache/info on a worker",
        "404, as if it had no KV caches",
        "their shapes",
        "it has some",
        until=(0, 5),
    ),
    "head": Difference("HEAD and OPTIONS", "405", "served", "what HTTP clients expect"),
    "slash": Difference("a trailing slash", "a redirect to where the Host header points", "served", "no open redirect"),
    "infinity": Difference(
        "an infinite number in GET /conf", "`Infinity`, which is no JSON", "`null`", "clients can parse it"
    ),
    "attributes": Difference(
        "`?names=` of something that is no config key",
        "500, or an internal attribute",
        "left out",
        "names reach config keys and metadata fields only",
    ),
    "inference_version": Difference(
        "GET /inference_version on an adapter without it, as are all of LMCache's",
        "500",
        "`vllm_version` of /inference_info; 503 where that has none",
        "vLLM's version is known there",
    ),
    "loglevel": Difference("GET /loglevel?level=X without a logger", "`null`", "400", "it looked like success"),
    "basic_format": Difference("level=BASIC_FORMAT and the like", "500", "400 `Invalid log level`", "it is no level"),
    "conversion": Difference(
        "a value that POST /conf cannot convert",
        "`Failed to set config value`",
        "`Invalid value for chunk_size: expected int, got 'abc'`",
        "says what to do",
    ),
    "guessing": Difference(
        "POST /conf of a value of another type: 12.7 for an int, a word or null for a bool or number",
        "stored as 12, `false`, `null`",
        "refused with what was expected",
        "nothing is guessed",
    ),
    "numbers": Difference(
        "`NaN`, `Infinity`, `1e400`, lone surrogates in a JSON body",
        "stored, then 500",
        "400",
        "they poison the config",
    ),
    "guarded": Difference(
        "POST /conf of `internal_api_server_*`, `run_script_api_enabled`, `script_allowed_imports`",
        "stored",
        "`Config is not mutable at runtime`",
        "a caller that may write settings must not open the server by it",
    ),
    "scripts": Difference(
        "what a script sees",
        "separate global and local namespaces, eight builtins",
        "one namespace, Python's builtins; only imports are gated",
        "functions see their globals, `len` exists",
    ),
    "imports": Difference(
        "a script that imports what it may not",
        "`Import of 'os' is not allowed`",
        "names `script_allowed_imports`, too; `__future__` is always allowed",
        "says what to do",
    ),
    "location": Difference(
        "DELETE /cache/clear of an unknown location",
        "200, nothing removed",
        "404 with the known ones",
        "it looked like success",
    ),
    "check_order": Difference(
        "a bad argument on a scheduler", "503", "400", "arguments are checked before the engine is looked for"
    ),
    "chunk_size": Difference(
        "GET /cache/kvcache/check without chunk_size", "200 without checksums", "400", "as it is documented"
    ),
    "kv_layout": Difference(
        "GET /cache/kvcache/check of layers with heads before tokens, or with blocks before keys and values",
        "checksums of other elements, or `error`",
        "checksums of the tokens",
        "that is what is compared; see [KV layouts](lmcache.md#kv-layouts)",
    ),
    "record_slot": Difference(
        "POST /cache/kvcache/record_slot on a scheduler",
        "200 `false`, 500 when set",
        "503",
        "there is no engine to record",
    ),
}

UNCOMPARED: tuple[Difference, ...] = (
    Difference(
        "POST /cache/store of what is not stored: frozen, no backend, bypassed, hot cache off, cached before",
        "`num_tokens` alone, as if it were stored",
        "`stored` beside it, and `reason` where that is less; `stored` is null where the engine cannot tell",
        "a store that stores nothing must not look like success",
    ),
    Difference(
        "secrets in GET /env, /conf, /meta, /inference_info",
        "as they are",
        "`***`",
        "a caller that may read must not get access to the rest",
    ),
    Difference(
        "GET /metrics",
        "`text/plain`",
        "the format's full content type; OpenMetrics or gzip when asked for",
        "scrapers rely on it",
    ),
    Difference("GET /loglevel?logger_name=X", "creates the logger", "only reads", "a reader must not fill the memory"),
    Difference(
        "a script that never ends",
        "blocks the server",
        "stopped after 60 s, 504 with its stack",
        "one request holds up nobody",
    ),
    Difference(
        "a call into the engine that never returns",
        "blocks the server",
        "504 after 30 s that says which and since when; the thread is left alone and counted",
        "everything else keeps working",
    ),
    Difference(
        "two changes at once",
        "cannot happen: requests run one after another",
        "one at a time; 409 after three seconds that names the running one",
        "readers never wait for a change",
    ),
    Difference(
        "a third script at once, or a 33rd call into the engine",
        "waits for the others",
        "503 with Retry-After and the names of what runs",
        "cheap requests always find a thread, and time",
    ),
    Difference("a request body over 1 MiB", "taken", "413", "the engine's memory is the engine's"),
    Difference("`tokens_mock=0:512`", "400", "as `0,512`", "the command line and HTTP take the same"),
    Difference("a huge `tokens_mock`, slot range or thread name", "expanded", "400", "each was a memory bomb"),
    Difference("PUT /hot_cache/enable without a memory backend", "200 without effect", "409", "says what happened"),
    Difference("PUT /freeze while the engine still starts", "200 without effect", "503", "says what happened"),
    Difference("PUT /bypass/remove of a closed backend", "400", "put back into service", "otherwise it could never be"),
    Difference("POST /backends with an unreachable remote", "200", "200 with `warnings`", "says what happened"),
    Difference("GET /controller/workers", "up to 30 s old", "fresh", "it agrees with /controller/key-stats"),
    Difference(
        "a socket file that a live process listens on",
        "removed",
        "left alone, one clear error",
        "it is somebody's server",
    ),
    Difference(
        "a socket path that other users can tamper with",
        "used",
        "refused, one clear error; see [security.md](security.md#the-unix-socket)",
        "they could put a server of their own there",
    ),
    Difference(
        "a port in use", "the thread ends with a log line", "`start()` raises one clear error", "the caller decides"
    ),
)


def cells(row: Difference) -> tuple[str, ...]:
    return row.what, row.theirs, row.ours, row.why, row.versions


def as_markdown() -> str:
    """The text of `docs/differences.md`."""
    rows = [
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells(row))} |\n"
        for row in (*DIFFERENCES.values(), *UNCOMPARED)
    ]
    return (
        "# Differences from LMCache's own server\n\n"
        "<!-- Printed by `make docs` from tests/conformance/differences.py; do not edit. -->\n\n"
        "Everything else is the same on the wire: the conformance tests ask LMCache's server and ours the same\n"
        "questions, and fail on any other difference, and on any of the compared ones that is no longer there.\n\n"
        "The last column names the versions of LMCache whose server differs, of those that are supported.\n\n"
        "| what | LMCache's server | here | why | LMCache |\n| --- | --- | --- | --- | --- |\n" + "".join(rows)
    )


if __name__ == "__main__":
    print(as_markdown(), end="")
