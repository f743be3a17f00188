"""Requests that schemathesis makes of the API document: the app must answer all of them as its document says."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias, cast

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Config, openapi

from lmcache_internal import create_app
from lmcache_internal.security.caller import DIRECT_KEY

Case: TypeAlias = "schemathesis.Case[Any]"
Test = Callable[[Case], None]

# Where a valid request may still be refused with 400, since no schema can say what the engine has.
DEPENDING = {
    "/bypass/add": "the backend must be one that there is",
    "/bypass/remove": "the backend must be one that there is",
    "/cache/explain": "tokens must be given once: in the body or as tokens_mock",
    "/cache/kvcache/check": "the slots must be ones that the KV caches have",
    "/cache/load-fs-chunks": "the file must be there",
    "/cache/retrieve": "the start must be less than the end",
    "/cache/store": "the start must be less than the end",
    "/config/adapters": "the adapter must be of a type that the engine has",
    "/conf": "the keys must be ones that the engine has",
    "/loglevel": "the level must be one that logging has, and needs a logger",
    "/lookup/recreate": "there must be one, and it may have been closed",
    "/cache/checksums": "there are only so many blocks",
    "/reconfigure/dax/l1/add": "0b is no size",
    "/threads": "samples cannot be asked for together with all else",
}

# A script may do anything, so these are all that are run; whatever they raise is a 500, by contract.
SCRIPT = "/run_script"
SCRIPTS = [b"result = 1", b"print(app)", b"1 / 0", b"import os", b"x = (", b"\xff", b"a\0b", b""]

CHECKS: dict[str, Any] = {
    # There is no engine on a scheduler, and no controller here: 503 says so.
    "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]},
    # A list with too many items may be a body that is too large.
    "negative_data_rejection": {
        "expected-statuses": ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
    },
    # Nor does a tag in If-Match ever fit.
    "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "404", "409", "412", "503"]},
}
NO_DATA_CHECKS = {"positive_data_acceptance": {"enabled": False}, "negative_data_rejection": {"enabled": False}}
OPERATIONS = [
    *({"include-path": path, "checks": {"positive_data_acceptance": {"enabled": False}}} for path in DEPENDING),
    {"include-path": SCRIPT, "checks": {**NO_DATA_CHECKS, "not_a_server_error": {"enabled": False}}},
]


class Fuzzed:
    """An app, as schemathesis sees it: its only client is an admin on this machine.

    Args:
        make: makes an engine.
        examples: how many random requests per operation.
        thorough: whether to try each limit of each schema besides.
        lacking: paths of what the engine does not support (501).
    """

    def __init__(
        self,
        make: Callable[[], AbstractContextManager[Any]],
        examples: int,
        thorough: bool = False,
        lacking: Sequence[str] = (),
    ) -> None:
        self._make = make
        phases = {"coverage": {"enabled": thorough}}
        generation = {"deterministic": True, "max-examples": examples}
        checks = {**NO_DATA_CHECKS, "not_a_server_error": {"expected-statuses": ["501"]}}
        unsupported = [{"include-path": path, "checks": checks} for path in lacking]
        config = {
            "seed": 1,
            "generation": generation,
            "phases": phases,
            "checks": CHECKS,
            "operations": [*OPERATIONS, *unsupported],
        }
        with make() as manager:
            self.app = create_app(manager)
            self.schema = openapi.from_wsgi("/openapi.json", self._serve, config=Config.from_dict(config))

    @contextlib.contextmanager
    def engine(self) -> Iterator[None]:
        """Let the app serve an engine of its own meanwhile."""
        with self._make() as self.app.state.lmcache_adapter:
            yield

    def each_operation(self, test: Test) -> Test:
        """Decorate a test that takes a request: it is run for each operation, with many of them."""
        limits = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        return cast(Test, self.schema.parametrize()(limits(test)))

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self.app(environ | {DIRECT_KEY: "yes", "REMOTE_ADDR": "127.0.0.1"}, start_response)


def send(case: Case) -> None:
    """Send a request; whatever the document does not say of the answer fails."""
    if case.formatted_path != case.path and case.formatted_path in case.operation.schema.raw_schema["paths"]:
        return  # A name such as `session` in /ui/{name} makes the path of another operation.
    body: Any = case.body
    if case.path == SCRIPT and isinstance(body, dict) and "script" in body:
        body["script"] = SCRIPTS[len(str(body)) % len(SCRIPTS)]
    if "samples" in case.query and _is_interval(case.query.get("interval", 1)):
        case.query["interval"] = 0.001  # Nobody has the time for a thousand samples, a second apart.
    case.call_and_validate()


def _is_interval(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0.001 <= value <= 1


SETTINGS = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
