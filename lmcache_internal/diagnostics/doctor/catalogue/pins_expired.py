"""Pins were not released and had to be dropped."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble

EXPIRED = "metrics.lmcache:forced_unpin_count_total"


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the engine dropped pins because of their age."""
    if rank[EXPIRED] > 0:
        seconds = rank.get("config.pin_timeout_sec")
        yield Finding(
            message=f"{rank[EXPIRED]:.0f} pins were dropped because they were older than pin_timeout_sec "
            f"({seconds} s).",
            evidence={"pins dropped": rank[EXPIRED], "pin_timeout_sec": seconds},
        )


trouble = Trouble(
    code="pins-expired",
    group="mode",
    title="Pins are not released",
    severity="warning",
    meaning="A lookup pins the chunks that it finds, so that they are not evicted before they are loaded. A pin that "
    "is not released keeps its memory until pin_timeout_sec. If this happens often, less and less memory is left for "
    "other chunks, until stores fail. Requests that are aborted between lookup and load are a usual cause.",
    confirm="The metric lmcache:forced_unpin_count_total grows, and lmcache:pinned_memory_objs_count stays high "
    "without traffic.",
    next_step="Update LMCache, because several leaks of pins were fixed. Until then, lower pin_timeout_sec so that "
    "pins end earlier.",
    needs=("metrics.lmcache:forced_unpin_count_total",),
    roles=("worker",),
    in_rank=find,
)
