"""Prometheus metrics of the engine's process."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, request
from prometheus_client import REGISTRY

from lmcache_internal.api import Access, Content, OnWire, operation, runtime
from lmcache_internal.exposition import expose, select
from lmcache_internal.process_metrics import keep_lock

router = Blueprint("metrics", __name__)
router.record_once(lambda _app: keep_lock())

Metrics = Annotated[Response, Content("text/plain", "application/openmetrics-text")]


@router.get("/metrics")
@operation(doing="collect the metrics", access=Access.PUBLIC, inline=True, lane="scrape")
def metrics(names: Annotated[list[str], OnWire("name[]")] | None = None) -> Metrics:
    """The default registry's metrics in the format that the scraper accepts: all, or the samples and families named."""
    encodings = request.headers.get("Accept-Encoding", "")
    if request.headers.get("User-Agent", "").startswith("Mozilla/"):
        # lmcache-frontend hands a browser's headers on to us and a gzip answer broken back to it.
        encodings = ""
    # As with Prometheus' own clients, a name that is empty is none.
    registry = select(REGISTRY, names) if names and any(names) else REGISTRY
    body, headers = expose(registry, request.headers.get("Accept", ""), encodings)
    return Response(body, headers=headers)


@router.post("/metrics/reset")
@operation(doing="reset the metrics", access=Access.OPERATOR, media="text", changes=True)
def reset() -> str:
    """Set the engine's own metrics back to zero."""
    runtime().reset_metrics()
    return "ok"
