"""The clocks of hosts differ."""

from collections.abc import Iterator, Sequence

from ....limits.timeouts import clock
from .. import Finding, Rank, Trouble

LARGEST_SKEW = 30.0
"""In seconds. The ranks are asked at the same time, and their facts are at most a few seconds old."""


def find(ranks: Sequence[Rank]) -> Iterator[Finding]:
    """Yield a finding if the clocks of two hosts differ by more than `LARGEST_SKEW`."""
    times: dict[str, float] = {rank["process.host"]: rank["system.time"] for rank in ranks}
    first, last = min(times, key=times.__getitem__), max(times, key=times.__getitem__)
    skew = times[last] - times[first]
    if skew > LARGEST_SKEW:
        yield Finding(
            message=f"The clock of {last} is {skew:.0f} s ahead of the clock of {first}.",
            evidence={host: clock(seconds) for host, seconds in times.items()},
        )


trouble = Trouble(
    code="clock-skew",
    group="deployment",
    title="The clocks of hosts differ",
    severity="warning",
    meaning="The times in logs, audit logs and metrics of these hosts cannot be compared. Timeouts that a remote "
    "storage or a controller derives from the clocks of clients, such as leases, end too early or too late.",
    confirm="Run `date -u` on both hosts.",
    next_step="Start NTP or chrony on the hosts.",
    needs=(
        "process.host",
        "system.time",
    ),
    in_fleet=find,
)
