"""A remote backend has no connection."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding for each backend without a connection."""
    for name, why in rank["mode.unreachable"].items():
        yield Finding(
            message=f"{name} has no connection: it is neither read nor written.",
            evidence={"backend": name, "reason": why},
        )


trouble = Trouble(
    code="remote-unreachable",
    group="mode",
    title="A remote backend is unreachable",
    severity="error",
    meaning="The remote backend exists, but has no connection to its storage. LMCache continues without it: lookups "
    "do not find its chunks, and stores do not reach it. The engine reports no error to its clients.",
    confirm="`GET /healthz` fails with the check `backends`, and its message has the reason.",
    next_step="Restore the remote storage or the network. If LMCache does not reconnect, run `lmcache-internal "
    "backends recreate NAME --index N` (POST /backends/NAME/recreate).",
    needs=("mode.unreachable",),
    roles=("worker",),
    in_rank=find,
)
