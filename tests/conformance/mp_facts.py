"""The requests that LMCache's MP server and ours are asked on one engine, and where ours differs on purpose."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.differences import Difference
from tests.conformance.facts import Closeness

MP_DIFFERENCES: dict[str, Difference] = {
    "mp_types": Difference(
        "a parameter or a body of a wrong type",
        "422 with a validation dump",
        '400 `{"error", "message", "detail"}` that names the parameter',
        "one error shape, readable in a terminal",
    ),
    "mp_head": Difference("HEAD and OPTIONS", "405", "served", "probes and load balancers use HEAD"),
    "mp_slash": Difference(
        "a trailing slash", "a redirect to where the Host header points", "served", "no open redirect"
    ),
    "mp_path": Difference("an unknown path", '404 `{"detail"}`', '404 `{"error", "message"}`', "one error shape"),
    "mp_blocks": Difference(
        "POST /cache/checksums of a block that does not exist",
        "500 as plain text",
        "400 that names the block",
        "the client is wrong, not the server",
    ),
    "mp_check_order": Difference(
        "POST /cache/checksums without blocks for an unknown worker",
        "404",
        "400",
        "arguments are checked before the engine is looked for",
    ),
    "mp_reset": Difference(
        "POST /metrics/reset",
        "200 `ok`, and no metric of the MP server changes",
        "501",
        "OpenTelemetry's counters cannot be reset, and `ok` says that they were",
    ),
    "mp_loglevel": Difference("GET /loglevel?level=X without a logger", "`null`", "400", "it looks like success"),
    "mp_adapters": Difference(
        "the L2 adapters in GET /config",
        "the repr of a Python object",
        "their attributes, as LMCache up to 0.5.6 shows them",
        "operators read there where the objects are",
        since=(0, 5, 7),
    ),
    "mp_adapter_ids": Difference(
        "GET /config/adapters",
        "the position of each adapter",
        "also its `id`",
        "positions change when an adapter is removed, so DELETE /config/adapters/{adapter_id} takes the id",
    ),
    "mp_quota_huge": Difference(
        "PUT /quota/{cache_salt} of more than 10⁹ GiB", "200, or 500 as plain text", "400", "it is no limit"
    ),
}

MP_UNCOMPARED: tuple[Difference, ...] = (
    Difference(
        "errors of all routes",
        '`{"detail"}`, `{"error"}` or `{"status", "reason"}`',
        "the same fields, with `error` and `message` beside `detail`",
        "one error shape; clients of LMCache find what they read",
    ),
    Difference(
        "a client on another machine without a token",
        "may do everything (up to 0.5.6)",
        "public routes only: /, /healthcheck, /livez, /readyz, /metrics",
        "every client of the port could change the cache; the coordinator needs a token, a Unix socket or loopback",
    ),
    Difference(
        "a Host header with a DNS name that is not in `internal_api_server_allowed_hosts`",
        "served",
        "403 that names the setting",
        "protection against DNS rebinding",
    ),
    Difference("secrets in GET /config, /status, /env", "as they are", "`***`", "a viewer must not get the rest"),
    Difference(
        "GET / for viewers that name `text/plain` or `text/html` first",
        "JSON",
        "the list of the endpoints",
        "people see what there is; machines get LMCache's JSON",
    ),
    Difference(
        "DELETE /cache/objects of tier `all` with an unknown adapter",
        "404, and the objects of L1 are deleted",
        "404, and nothing is deleted",
        "nothing is half applied",
    ),
    Difference(
        "a request body over 8 MiB for POST /cache/prefetches and DELETE /cache/objects, over 1 MiB for others",
        "taken",
        "413",
        "the memory is the cache's; the coordinator sends at most 7.0 MB (1,000,000 tokens) or 4.9 MB (10,000 keys)",
    ),
    Difference(
        "POST /cache/checksums of more blocks than the worker has", "computed", "400", "it could exhaust the memory"
    ),
    Difference(
        "a periodic thread with an interval below 0.3 s in /periodic-threads and /periodic-threads-health",
        "late after three intervals: one of 5 ms makes the server unhealthy now and then",
        "late after 1 s",
        "a thread switch takes longer than 15 ms",
    ),
    Difference("/docs", "a page from a CDN", "a page from the package", "a node without Internet access shows it"),
)


@dataclass(frozen=True)
class MPFact:
    """One request.

    Attributes:
        body: encoded as JSON where it is no bytes.
        difference: a key of `MP_DIFFERENCES`.
        closeness: how alike the answers must be where they succeed.
    """

    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    difference: str | None = None
    closeness: Closeness = "exact"

    def __str__(self) -> str:
        return f"{self.method} {self.path} {'' if self.body is None else str(self.body)[:60]}"

    @property
    def encoded(self) -> bytes | None:
        return self.body if self.body is None or isinstance(self.body, bytes) else json.dumps(self.body).encode()


MODEL, INSTANCE = "test-model", 1000
TOKENS = "{tokens}"
"""Stands for the tokens that were stored."""
PREFETCH: dict[str, Any] = {"model_name": MODEL, "world_size": 1, "token_ids": TOKENS}
KEY: dict[str, Any] = {"chunk_hash_hex": "ab" * 32, "model_name": MODEL, "kv_rank": 0}
CHECKSUMS: dict[str, Any] = {"block_ids": [0, 1, 2, 5], "chunk_size": 3, "instance_id": INSTANCE}
_BAD_QUOTAS: tuple[Any, ...] = ({}, [], b"{", {"limit_gb": "x"}, {"limit_gb": -1})
DAX: dict[str, Any] = {"device_path": "/dev/dax0.0", "size": "1GiB"}


def _get(path: str, **options: Any) -> MPFact:
    return MPFact("GET", path, **options)


def _post(path: str, body: Any = None, **options: Any) -> MPFact:
    return MPFact("POST", path, body, **options)


def _types(facts: list[MPFact]) -> list[MPFact]:
    return [MPFact(fact.method, fact.path, fact.body, difference="mp_types") for fact in facts]


MP_FACTS: list[MPFact] = [
    *map(_get, ("/", "/healthcheck", "/version", "/lmc_version", "/commit_id")),
    _get("/config/adapters", difference="mp_adapter_ids"),
    _get("/config", difference="mp_adapters"),
    _get("/status", closeness="shape"),
    MPFact("HEAD", "/healthcheck", difference="mp_head"),
    MPFact("OPTIONS", "/healthcheck", difference="mp_head"),
    _get("/healthcheck/", difference="mp_slash"),
    _get("/nothing", difference="mp_path"),
    MPFact("PUT", "/healthcheck", difference="mp_path"),
    # Objects
    _get("/cache/objects"),
    _get("/cache/objects?tier=l2&page_size=1"),
    _get("/cache/objects?adapter=fs"),
    _get("/cache/objects?adapter=nope"),
    _get("/cache/objects?tier=l1"),
    _get("/cache/objects?tier=all"),
    *_types([_get(f"/cache/objects?{query}") for query in ("tier=zz", "page_size=0", "page_size=5001", "page_size=x")]),
    *(MPFact("DELETE", "/cache/objects", {"keys": [KEY], "tier": tier}) for tier in ("l1", "l2", "all")),
    MPFact("DELETE", "/cache/objects", {"keys": []}),
    MPFact("DELETE", "/cache/objects", {"keys": [KEY], "force": True, "adapter": "fs"}),
    MPFact("DELETE", "/cache/objects", {"keys": [KEY], "adapter": "nope"}),
    MPFact("DELETE", "/cache/objects", {"keys": [{**KEY, "chunk_hash_hex": "zz"}]}),
    MPFact("DELETE", "/cache/objects", {"keys": [{**KEY, "model_name": "a@b"}]}),
    MPFact("DELETE", "/cache/objects", {"keys": [{**KEY, "cache_salt": "a/b"}]}),
    MPFact("DELETE", "/cache/objects", {"keys": [{**KEY, "cache_salt": "a" * 129}]}),
    MPFact("DELETE", "/cache/objects", {"keys": [{**KEY, "object_group_id": -1}]}),
    *_types(
        [
            MPFact("DELETE", "/cache/objects"),
            MPFact("DELETE", "/cache/objects", {}),
            MPFact("DELETE", "/cache/objects", b"{"),
            MPFact("DELETE", "/cache/objects", []),
            MPFact("DELETE", "/cache/objects", {"keys": [KEY], "tier": "l3"}),
            MPFact("DELETE", "/cache/objects", {"keys": [{"model_name": MODEL}]}),
            MPFact("DELETE", "/cache/objects", {"keys": [{**KEY, "kv_rank": "x"}]}),
        ]
    ),
    # Prefetches: `{request_id}` is that of the last one that was begun.
    _post("/cache/clear"),
    _post("/cache/prefetches", PREFETCH),
    _get("/cache/prefetches/{request_id}"),
    _get("/cache/prefetches/{request_id}"),
    _get("/cache/prefetches/unknown"),
    _post("/cache/prefetches", {**PREFETCH, "token_ids": [1, 2]}),
    _post("/cache/prefetches", {**PREFETCH, "token_ids": []}),
    _post("/cache/prefetches", {**PREFETCH, "model_name": "other"}),
    _post("/cache/prefetches", {**PREFETCH, "world_size": 7}),
    _post("/cache/prefetches", {**PREFETCH, "source_tier": "l1"}),
    _post("/cache/prefetches", {**PREFETCH, "target_tier": "all"}),
    _post("/cache/prefetches", {**PREFETCH, "cache_salt": "a@b"}),
    *_types(
        [
            _post("/cache/prefetches", {}),
            _post("/cache/prefetches", {**PREFETCH, "token_ids": "x"}),
            _post("/cache/prefetches", {**PREFETCH, "world_size": "many"}),
            _post("/cache/prefetches", {**PREFETCH, "source_tier": "disk"}),
        ]
    ),
    # Clear
    _post("/cache/clear", {}),
    _post("/cache/clear", {"tier": "l1", "force": True}),
    _post("/cache/clear", {"tier": "l2"}),
    _post("/cache/clear", {"tier": "all"}),
    *_types([_post("/cache/clear", {"tier": "x"}), _post("/cache/clear", {"force": "perhaps"})]),
    # Checksums
    _post("/cache/checksums", CHECKSUMS),
    _post("/cache/checksums", {**CHECKSUMS, "layerwise": True}),
    _post("/cache/checksums", {**CHECKSUMS, "chunk_size": 1}),
    _post("/cache/checksums", {**CHECKSUMS, "chunk_size": 100}),
    _post("/cache/checksums", {**CHECKSUMS, "block_ids": [5, 3, 3, 4]}),
    _post("/cache/checksums", {**CHECKSUMS, "block_ids": []}),
    _post("/cache/checksums", {**CHECKSUMS, "chunk_size": 0}),
    _post("/cache/checksums", {**CHECKSUMS, "instance_id": 7}),
    _post("/cache/checksums", {"instance_id": 7}, difference="mp_check_order"),
    _post("/cache/checksums", {**CHECKSUMS, "block_ids": [99999]}, difference="mp_blocks"),
    _post("/cache/checksums", {**CHECKSUMS, "block_ids": [-100000]}, difference="mp_blocks"),
    *_types([_post("/cache/checksums", {**CHECKSUMS, "block_ids": ["x"]}), _post("/cache/checksums", b"[")]),
    # Quotas
    _get("/quota"),
    _get("/quota/alice"),
    MPFact("PUT", "/quota/alice", {"limit_gb": 0.5}),
    MPFact("PUT", "/quota/_default", {"limit_gb": 100}),
    MPFact("PUT", "/quota/bob", {"limit_gb": "1.5"}),
    MPFact("PUT", "/quota/zero", {"limit_gb": 0}),
    _get("/quota"),
    _get("/quota/alice"),
    _get("/quota/_default"),
    *(MPFact("PUT", "/quota/alice", body) for body in _BAD_QUOTAS),
    MPFact("PUT", "/quota/alice", {"limit_gb": None}),
    MPFact("PUT", "/quota/alice", b'{"limit_gb": NaN}'),
    MPFact("PUT", "/quota/alice", b'{"limit_gb": 1e300}', difference="mp_quota_huge"),
    *(MPFact("DELETE", f"/quota/{salt}") for salt in ("alice", "alice", "_default", "bob", "zero")),
    _get("/quota"),
    # Reconfiguration
    _get("/reconfigure/fs/l2/status"),
    _get("/reconfigure/DAX/l2/status"),
    _get("/reconfigure/%20/l2/status"),
    _post("/reconfigure/dax/l2/add", DAX),
    _post("/reconfigure/dax/l2/explode", {}),
    _post("/reconfigure/dax/l2/add", {**DAX, "size": "much"}),
    _post("/reconfigure/dax/l2/remove", {"device_path": "/d"}),
    _post("/reconfigure/fs/l2/grow", {}),
    _post("/reconfigure/fs/l2/%20", {}),
    *_types(
        [
            _post("/reconfigure/dax/l2/add", {"x": 1}),
            _post("/reconfigure/dax/l2/add", {**DAX, "size": True}),
            _post("/reconfigure/dax/l2/remove", {"device_path": "/d", "mode": "burn"}),
            _post("/reconfigure/fs/l2/grow", {"adapter_index": "x"}),
            _post("/reconfigure/fs/l2/grow", b"{"),
            _post("/reconfigure/dax/l1/add", {"device_path": "/d"}),
            _post("/reconfigure/dax/l1/remove", {"device_path": "/d", "mode": "evict"}),
        ]
    ),
    _get("/reconfigure/dax/l1/status"),
    _post("/reconfigure/dax/l1/add", DAX),
    _post("/reconfigure/dax/l1/add", {**DAX, "size": "much"}),
    _post("/reconfigure/dax/l1/remove", {"device_path": "/d"}),
    # Common
    _get("/env", closeness="status"),
    _get("/metrics", closeness="status"),
    _get("/threads", closeness="status"),
    _get("/periodic-threads", closeness="shape"),
    _get("/periodic-threads?level=critical"),
    _get("/periodic-threads?level=x"),
    _get("/periodic-threads/nothing"),
    _get("/periodic-threads/lmcache-mp-worker-reaper", closeness="shape"),
    _get("/periodic-threads-health", closeness="status"),
    _get("/loglevel?logger_name=lmcache"),
    _get("/loglevel?logger_name=lmcache&level=NOPE"),
    _get("/loglevel?level=INFO", difference="mp_loglevel"),
    _post("/metrics/reset", difference="mp_reset"),
]
