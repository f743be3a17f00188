"""Collecting the metrics takes too long."""

from collections.abc import Iterator

from .. import Finding, MissingFact, Rank, Trouble
from ..ranks import NOT_COLLECTED

TIMED_OUT = "did not respond within"
"""How the reason of a timeout begins."""


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the metrics could not be collected within the timeout of a group of facts."""
    why = str(rank.facts.get(NOT_COLLECTED, {}).get("metrics", ""))
    if why.startswith(TIMED_OUT):
        yield Finding(
            message=f"The metrics of the process could not be collected: a collector {why}.", evidence={"metrics": why}
        )
    elif "metrics" not in rank.facts:
        raise MissingFact(f"there are no metrics: {why}")


trouble = Trouble(
    code="scrape-slow",
    group="metrics",
    title="A scrape times out",
    severity="warning",
    meaning="A collector of the process' metrics hangs or is slow, for example because it calls a remote storage. "
    "`GET /metrics` waits for all collectors, so Prometheus' scrape times out and all metrics of the rank are "
    "missing.",
    confirm="`time curl http://RANK/metrics`, and `GET /threads` meanwhile, which shows the collector that runs.",
    next_step="If calls-stuck is found, too, fix that first. Otherwise, remove or fix the slow collector. Until then, "
    "scrape selected series with name[], and raise scrape_timeout.",
    in_rank=find,
)
