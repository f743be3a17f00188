"""The names of metrics depend on the format of the scrape."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if a scrape as Prometheus sends it has other names than the text format."""
    if rank["server.renamed_metrics"]:
        yield Finding(
            message="A scrape in the OpenMetrics format has the names lmcache_… instead of lmcache:….",
            evidence={"names in OpenMetrics": "lmcache_…", "names in the text format": "lmcache:…"},
        )


trouble = Trouble(
    code="metric-names-differ",
    group="metrics",
    title="Names of metrics turn to lmcache_…",
    severity="warning",
    meaning="prometheus_client replaces the colon in lmcache:… by an underscore if a scraper asks for OpenMetrics, as "
    "Prometheus does. `curl` gets the names with a colon. Dashboards and alerts that were written for one spelling "
    "find no series of the other.",
    confirm="`curl -H 'Accept: application/openmetrics-text;version=1.0.0' http://RANK/metrics | grep lmcache_` has "
    "output.",
    next_step="Use this server instead of LMCache's own, which keeps the names in all formats, or set "
    "scrape_protocols: [PrometheusText0.0.4].",
    needs=("server.renamed_metrics",),
    roles=("scheduler", "worker"),
    in_rank=find,
)
