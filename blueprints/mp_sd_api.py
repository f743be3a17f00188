"""Service discovery of an MP server for Prometheus."""

from typing import TypedDict

from flask import Blueprint, request

from lmcache_internal.api import Role, operation, settings
from lmcache_internal.security.browser import host_of
from lmcache_internal.settings.address import scrape_targets

router = Blueprint("mp_sd", __name__)
engines = ("mp",)


class TargetGroup(TypedDict):
    """Targets with the same labels, in the format of Prometheus' `http_sd_configs`."""

    targets: list[str]
    labels: dict[str, str]


# Public, as /metrics is: it reveals only what the open ports and /metrics reveal.
@router.get("/sd/prometheus")
@operation(action="list the targets", access=Role.PUBLIC, cheap=True)
def list_targets() -> list[TargetGroup]:
    """List this server as a target that Prometheus can scrape.

    The list is empty if it listens on a Unix socket.
    """
    host = host_of(request.environ)
    found = scrape_targets(settings(), world_size=0)  # An MP server has no ranks.
    labels = {"__meta_lmcache_role": "mp_server"}
    return [{"targets": [server.reached_as(host).authority], "labels": labels} for server in found]
