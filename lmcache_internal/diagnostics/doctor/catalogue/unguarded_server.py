"""LMCache's own server answers, which requires no token."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding for LMCache's own server; an error if other machines can reach it."""
    if rank["server.product"] == "lmcache":
        private = rank["server.is_private"]
        yield Finding(
            message=f"LMCache's own server answers on {rank['server.address']}. It requires no token, and each client "
            "that reaches it can change the engine.",
            evidence={"address": rank["server.address"], "loopback or Unix socket": private},
            severity=None if private else "error",
        )


trouble = Trouble(
    code="unguarded-server",
    group="deployment",
    title="LMCache's own server is running",
    severity="warning",
    meaning="LMCache's internal API server has no authentication. Each local user, and with an open port each "
    "machine, can read the environment, change the configuration, drop the cache, and with run_script_api_enabled run "
    "code. It also has no /doctor, so many rules cannot be checked.",
    confirm="The log of the process lacks the line `LMCache's internal API server is replaced by lmcache_internal`.",
    next_step="Install lmcache-internal in the environment of that process, set "
    "LMCACHE_INTERNAL_API_SERVER=lmcache_internal, and restart it.",
    needs=("server.product",),
    roles=("scheduler", "worker"),
    in_rank=find,
)
