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
    meaning="LMCache's engine skips every store, lookup and retrieve while it is unhealthy: after a failed start "
    "until a restart, or while its health monitor reports a failure. vLLM then computes all tokens, and nothing but "
    "the log shows it.",
    confirm="`lmcache-internal status --verbose` shows the failing checks.",
    next_step="Read `GET /healthz` for the failed check, and the log of the process for its cause. After a failed "
    "start, restart the rank.",
    needs=("mode.is_healthy",),
    in_rank=find,
)
