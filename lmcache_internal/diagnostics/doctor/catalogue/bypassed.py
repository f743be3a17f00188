"""A backend is out of service."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding for each bypassed backend; an error if no backend stores new chunks."""
    for mode in rank["mode.modes"]:
        if mode["name"] == "bypass":
            left = rank["mode.in_service"]
            yield Finding(
                message=f"{mode['backend']} is bypassed since {mode['since']}, "
                f"{'and no other backend stores new chunks' if not left else 'so it is neither read nor written'}.",
                evidence={
                    "backend": mode["backend"],
                    "since": mode["since"],
                    "by": mode["by"] or "unknown",
                    "backends that store": left,
                },
                severity=None if left else "error",
            )


trouble = Trouble(
    code="bypassed",
    group="mode",
    title="A backend is bypassed",
    severity="warning",
    meaning="A bypassed backend keeps its chunks, but is neither read nor written. Chunks that only it has are misses.",
    confirm="`lmcache-internal bypass` lists the bypassed backends of each rank.",
    next_step="Return the backend to service with `lmcache-internal bypass remove NAME --index N` "
    "(PUT /bypass/remove?backend_name=NAME), unless the bypass is intended.",
    needs=(
        "mode.modes",
        "mode.in_service",
    ),
    roles=("worker",),
    in_rank=find,
)
