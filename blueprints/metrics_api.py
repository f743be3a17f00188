"""Prometheus metrics of the engine's process."""

import functools
from typing import Annotated, Any

from flask import Blueprint, Response, request
from prometheus_client import REGISTRY

from lmcache_internal.api import (
    SEND_504_AFTER_KEY,
    CallTimedOut,
    Configuration,
    Content,
    NotSupported,
    OnWire,
    Role,
    history_of,
    internal_app,
    operation,
    runtime,
)
from lmcache_internal.configuration.snapshot import masked_checksum
from lmcache_internal.engine import multiprocess
from lmcache_internal.engine.select import runtime_of
from lmcache_internal.limits.single_flight import SingleFlight
from lmcache_internal.metrics.exposition import expose
from lmcache_internal.metrics.process import keep_lock
from lmcache_internal.metrics.server import watch

router = Blueprint("metrics", __name__)
engines = ("in-process", "mp")
router.record_once(lambda _app: keep_lock())


def _config_facts(manager: Any) -> tuple[int, int | None]:
    """Return the number of the last change of the configuration, and its checksum; None for an MP server."""
    try:
        checksum = masked_checksum(Configuration(manager.config, runtime_of(manager).definitions).values())
    except Exception:  # An exception of the engine's config object must not fail the scrape; `/conf` reports it.
        checksum = None
    return history_of(manager).number, checksum


router.record_once(lambda setup: watch(setup.app, _config_facts))

Metrics = Annotated[Response, Content("text/plain", "application/openmetrics-text")]

_scrapes = SingleFlight("collect the metrics")


@router.get("/metrics")
@operation(action="collect the metrics", access=Role.PUBLIC, cheap=True, limit="scrape", errors=(CallTimedOut,))
def metrics(names: Annotated[list[str], OnWire("name[]")] | None = None) -> Metrics:
    """Show Prometheus metrics, in the exposition format that the client accepts.

    With `name[]`, only the named samples and metric families.
    """
    accept, encodings = request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", "")
    if request.headers.get("User-Agent", "").startswith("Mozilla/"):
        # lmcache-frontend forwards a browser's headers to this server and then corrupts a gzip response.
        encodings = ""
    # As in prometheus_client, an empty name is ignored.
    scrape = functools.partial(expose, REGISTRY, accept, encodings, list(filter(None, names or ())))
    key = (accept, encodings, *(names or ()))
    body, headers = _scrapes.run(key, scrape, internal_app().call_timeout, request.environ.get(SEND_504_AFTER_KEY))
    return Response(body, headers=headers)


@router.post("/metrics/reset")
@operation(action="reset the metrics", access=Role.OPERATOR, media="text", exclusive=True)
def reset() -> str:
    """Reset the engine's metrics to zero."""
    if multiprocess.in_use():
        raise NotSupported(
            f"The metrics cannot be reset: {multiprocess.VARIABLE} is set, and in multi-process mode "
            "prometheus_client cannot reset them. Restart the engine with an empty directory.",
            title="Not supported in multi-process mode",
        )
    runtime().reset_metrics()
    return "ok"
