"""A scheduler cannot look tokens up."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the scheduler has no lookup client."""
    if rank["lookup.client"] is None:
        yield Finding(
            message="The scheduler has no lookup client, so it reports no hits for any prompt.",
            evidence={"lookup client": None},
        )


trouble = Trouble(
    code="lookup-client-missing",
    group="mode",
    title="The scheduler has no lookup client",
    severity="error",
    meaning="The scheduler asks the workers with its lookup client how many tokens of a prompt are cached. Without "
    "the client, vLLM never loads from LMCache: the workers store chunks that are never read. The client is "
    "missing if LMCache failed to start in the scheduler, or if it was closed over HTTP.",
    confirm="`lmcache-internal get /lookup/info --scheduler` shows the class of the client, or `None`.",
    next_step="Create it with `POST /lookup/create` on the scheduler; if that fails, read the scheduler's log from "
    "its start.",
    needs=("lookup.client",),
    roles=("scheduler",),
    in_rank=find,
)
