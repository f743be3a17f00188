"""The rank is out of rotation."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if an operator has drained the rank."""
    drain = rank["mode.drained"]
    if drain:
        end = f"until {drain['until']}" if drain["until"] else "without end"
        yield Finding(message=f"The rank is drained since {drain['since']}, {end}.", evidence=drain)


trouble = Trouble(
    code="drained",
    group="mode",
    title="The rank is drained",
    severity="notice",
    meaning="An operator has taken the rank out of rotation: its readiness check fails, so a load balancer sends it "
    "no requests. It keeps its chunks, and stores no new prompts.",
    confirm="The column MODE of `lmcache-internal status` says `drained`, and `GET /readyz` gives the reason.",
    next_step="Return it to rotation with `lmcache-internal undrain --index N` (POST /admin/undrain) when the "
    "work on it is done.",
    needs=("mode.drained",),
    in_rank=find,
)
