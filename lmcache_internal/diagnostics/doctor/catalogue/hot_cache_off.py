"""The memory stores no chunks."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble

_CPU = "LocalCPUBackend"


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if a caller switched the hot cache off, or if it is off and there is no other backend."""
    for mode in rank["mode.modes"]:
        if mode["name"] == "hot-off":
            yield Finding(
                message=f"The hot cache is off since {mode['since']}: LocalCPUBackend stores no new chunks.",
                evidence={"hot cache": "off", "since": mode["since"], "by": mode["by"] or "unknown"},
            )
            return
    if rank["mode.backends"] == [_CPU] and rank.get("config.local_cpu") is False:
        yield Finding(
            message="local_cpu is false and there is no other backend, so nothing is stored.",
            evidence={"local_cpu": False, "backends": rank["mode.backends"]},
            severity="error",
        )


trouble = Trouble(
    code="hot-cache-off",
    group="mode",
    title="The hot cache is off",
    severity="warning",
    meaning="Without the hot cache, LocalCPUBackend keeps no chunks after a request. Only other backends, such as a "
    "disk or a remote storage, can have hits. If there is none, the hit rate is zero.",
    confirm="`lmcache-internal hot-cache` shows the state of each rank, `lmcache-internal conf get local_cpu` the "
    "configuration.",
    next_step="Enable it with `lmcache-internal hot-cache on --index N` (PUT /hot_cache/enable), or set "
    "local_cpu: true, unless only other backends are intended.",
    needs=(
        "mode.modes",
        "mode.backends",
    ),
    roles=("worker",),
    in_rank=find,
)
