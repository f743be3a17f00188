"""The engine reports that it is not healthy."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the engine reports that it is not healthy."""
    if not rank["mode.is_healthy"]:
        yield Finding(message="The engine reports that it is not healthy.", evidence={"is_healthy": False})


trouble = Trouble(
    code="engine-unhealthy",
    group="mode",
    title="The engine is not healthy",
    severity="error",
    meaning="LMCache has marked its engine as unhealthy, for example because its start failed or its health monitor "
    "lost the remote storage. The engine then skips store and retrieve requests, and vLLM computes all tokens.",
    confirm="`lmcache-internal status --verbose` shows the failing checks.",
    next_step="Read the log of the process from its start, fix the first error, and restart the process.",
    needs=("mode.is_healthy",),
    in_rank=find,
)
