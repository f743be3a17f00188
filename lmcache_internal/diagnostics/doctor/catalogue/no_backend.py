"""A worker has no backend."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the engine has no backend."""
    if not rank["mode.backends"]:
        yield Finding(message="The engine has no storage backend, so it stores nothing.", evidence={"backends": []})


trouble = Trouble(
    code="no-backend",
    group="mode",
    title="There is no storage backend",
    severity="error",
    meaning="The engine has no backend, neither memory nor disk nor remote. It stores nothing, and each lookup is a "
    "miss.",
    confirm="`lmcache-internal backends` lists the backends of each rank.",
    next_step="Configure a backend (local_cpu, local_disk or remote_url), and create it with `lmcache-internal "
    "backends create --index N` (POST /backends).",
    needs=("mode.backends",),
    roles=("worker",),
    in_rank=find,
)
