"""Service discovery: what Prometheus is to scrape."""

from typing import TypedDict

from flask import Blueprint, request

from lmcache_internal.address import Address, scrape_targets
from lmcache_internal.api import EngineUnavailable, Role, metadata, operation, redact, settings
from lmcache_internal.security.browser import host_of

router = Blueprint("sd", __name__)


class TargetGroup(TypedDict):
    """Targets that share their labels, as Prometheus' `http_sd_configs` reads them."""

    targets: list[str]
    labels: dict[str, str]


# Public, like what it leads to: it tells no more than a look at the ports and /metrics would.
@router.get("/sd/prometheus")
@operation(action="list the targets", access=Role.PUBLIC, cheap=True, errors=(EngineUnavailable,))
def list_targets() -> list[TargetGroup]:
    """Every rank of the deployment that Prometheus can scrape; none where they listen on Unix sockets alone."""
    found = metadata()
    host = host_of(request.environ)
    ranks = scrape_targets(settings(), found.world_size)
    return [{"targets": [rank.reached_as(host).authority], "labels": _labels(rank, found.model_name)} for rank in ranks]


def _labels(rank: Address, model_name: str) -> dict[str, str]:
    # LMCache's own samples have the labels role, worker_id and model_name. As labels of the target, too, these would
    # push the samples' aside (`exported_…`), so they are for relabeling only.
    meta = {"role": rank.role, "model_name": redact(model_name)}
    if rank.index:
        meta["worker_id"] = str(rank.index - 1)
    return {"index": str(rank.index), **{f"__meta_lmcache_{name}": value for name, value in meta.items()}}
