"""The engine is frozen and stores no new chunks."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the engine is frozen."""
    for mode in rank["mode.modes"]:
        if mode["name"] == "frozen":
            yield Finding(
                message=f"The engine is frozen since {mode['since']}: it stores no new chunks.",
                evidence={"frozen": True, "since": mode["since"], "by": mode["by"] or "unknown"},
            )


trouble = Trouble(
    code="frozen",
    group="mode",
    title="The engine is frozen",
    severity="warning",
    meaning="A frozen engine serves the chunks that its memory has, and stores no new ones. It does not read other "
    "backends. New prompts are misses for as long as the freeze lasts.",
    confirm="`lmcache-internal freeze` shows the state, and the column MODE of `lmcache-internal status` says "
    "`frozen`.",
    next_step="End the freeze mode with `lmcache-internal freeze off --index N` (PUT /freeze/disable), unless it is "
    "intended.",
    needs=("mode.modes",),
    roles=("worker",),
    in_rank=find,
)
