"""A call into the engine does not return."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble

SLOW_SECONDS = 10
"""A call that runs for a shorter time may only be slow."""


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if a call that has timed out has run for `SLOW_SECONDS` or longer."""
    stuck = [call for call in rank["calls.stuck"] if call["seconds"] >= SLOW_SECONDS]
    if stuck:
        others = {call["name"]: call["since"] for call in reversed(stuck[1:])}
        yield Finding(
            message=f"The call to {stuck[0]['name']} does not return.",
            evidence={"since": stuck[0]["since"], **({"other calls that do not return": others} if others else {})},
        )


trouble = Trouble(
    code="calls-stuck",
    group="mode",
    title="A call into the engine does not return",
    severity="error",
    meaning="A call into the engine has timed out and still runs, for example because it waits for a lock or for a "
    "remote storage. Calls that need the same lock hang, too, and so may the engine. The oldest call is usually the "
    "cause, and the others wait for it.",
    confirm="`lmcache-internal threads --name stuck` shows where each of these calls waits.",
    next_step="See where the calls wait with `lmcache-internal threads --name stuck --index N`. If the oldest does not "
    "return, restart the rank: Python cannot stop a thread.",
    needs=("calls.stuck",),
    in_rank=find,
)
