"""Prometheus metrics of the engine's process."""

from __future__ import annotations

from flask import Blueprint, Response, request
from prometheus_client import REGISTRY

from lmcache_internal.api import operation
from lmcache_internal.exposition import expose

router = Blueprint("metrics", __name__)


@router.get("/metrics")
@operation(doing="collect the metrics")
def metrics() -> Response:
    """The default registry's metrics in the format that the scraper accepts."""
    body, headers = expose(REGISTRY, request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", ""))
    return Response(body, headers=headers)
