"""A backend that existed is closed."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding for each closed backend."""
    for mode in rank["mode.modes"]:
        if mode["name"] == "closed":
            yield Finding(
                message=f"{mode['backend']} is closed since {mode['since']}, so it is neither read nor written.",
                evidence={
                    "backend": mode["backend"],
                    "since": mode["since"],
                    "by": mode["by"] or "unknown",
                    "backends": rank["mode.backends"],
                },
            )


trouble = Trouble(
    code="backend-closed",
    group="mode",
    title="A backend is closed",
    severity="warning",
    meaning="A backend that the engine had was closed while it ran. The engine no longer reads or writes it, so its "
    "chunks are misses. What it has on disk or in a remote storage is used again after it is created; chunks in "
    "memory are lost.",
    confirm="`lmcache-internal backends` lists the open backends, and the audit log (`GET /audit`) says who closed it.",
    next_step="Create the backend again with `lmcache-internal backends create --index N` (POST /backends).",
    needs=(
        "mode.modes",
        "mode.backends",
    ),
    roles=("worker",),
    in_rank=find,
)
