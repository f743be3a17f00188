"""Prometheus metrics of the engine's process."""

import functools
from typing import Annotated

from flask import Blueprint, Response, request
from prometheus_client import REGISTRY

from lmcache_internal.api import (
    SEND_504_AFTER_KEY,
    CallTimedOut,
    Content,
    OnWire,
    Role,
    internal_app,
    operation,
    runtime,
)
from lmcache_internal.limits.single_flight import SingleFlight
from lmcache_internal.metrics.exposition import expose, select
from lmcache_internal.metrics.process import keep_lock

router = Blueprint("metrics", __name__)
router.record_once(lambda _app: keep_lock())

Metrics = Annotated[Response, Content("text/plain", "application/openmetrics-text")]

_scrapes = SingleFlight("collect the metrics")


@router.get("/metrics")
@operation(action="collect the metrics", access=Role.PUBLIC, cheap=True, limit="scrape", errors=(CallTimedOut,))
def metrics(names: Annotated[list[str], OnWire("name[]")] | None = None) -> Metrics:
    """The default registry's metrics in the format that the scraper accepts: all, or the samples and families named."""
    accept, encodings = request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", "")
    if request.headers.get("User-Agent", "").startswith("Mozilla/"):
        # lmcache-frontend hands a browser's headers on to us and a gzip answer broken back to it.
        encodings = ""
    # As with Prometheus' own clients, a name that is empty is none.
    registry = select(REGISTRY, names) if names and any(names) else REGISTRY
    scrape = functools.partial(expose, registry, accept, encodings)
    key = (accept, encodings, *(names or ()))
    body, headers = _scrapes.run(key, scrape, internal_app().call_timeout, request.environ.get(SEND_504_AFTER_KEY))
    return Response(body, headers=headers)


@router.post("/metrics/reset")
@operation(action="reset the metrics", access=Role.OPERATOR, media="text", exclusive=True)
def reset() -> str:
    """Set the engine's own metrics back to zero."""
    runtime().reset_metrics()
    return "ok"
