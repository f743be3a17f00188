"""Service discovery for Prometheus."""

from typing import TypedDict

from flask import Blueprint, request

from lmcache_internal.api import EngineUnavailable, Role, metadata, operation, redact, settings
from lmcache_internal.security.browser import host_of
from lmcache_internal.settings.address import Address, scrape_targets

router = Blueprint("sd", __name__)


class TargetGroup(TypedDict):
    """Targets with the same labels, in the format of Prometheus' `http_sd_configs`."""

    targets: list[str]
    labels: dict[str, str]


# Public, as /metrics is: it reveals only what the open ports and /metrics reveal.
@router.get("/sd/prometheus")
@operation(action="list the targets", access=Role.PUBLIC, cheap=True, errors=(EngineUnavailable,))
def list_targets() -> list[TargetGroup]:
    """List the ranks that Prometheus can scrape.

    The list is empty if they listen on Unix sockets.
    """
    found = metadata()
    host = host_of(request.environ)
    ranks = scrape_targets(settings(), found.world_size)
    return [{"targets": [rank.reached_as(host).authority], "labels": _labels(rank, found.model_name)} for rank in ranks]


def _labels(rank: Address, model_name: str) -> dict[str, str]:
    # LMCache's samples have the labels role, worker_id and model_name. Target labels of the same names would make
    # Prometheus rename those of the samples (`exported_…`), so these are available to relabeling only.
    meta = {"role": rank.role, "model_name": redact(model_name)}
    if rank.index:
        meta["worker_id"] = str(rank.index - 1)
    return {"index": str(rank.index), **{f"__meta_lmcache_{name}": value for name, value in meta.items()}}
