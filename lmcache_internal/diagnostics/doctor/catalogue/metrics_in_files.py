"""The metrics of LMCache are on two ports."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if vLLM shows the metrics of this process, too."""
    if rank["server.metrics_in_files"] and rank["versions.vllm"]:
        yield Finding(
            message="PROMETHEUS_MULTIPROC_DIR is set, so /metrics of vLLM has the series lmcache:… of this process.",
            evidence={"metrics in files": True, "vllm": rank["versions.vllm"]},
        )


trouble = Trouble(
    code="metrics-in-files",
    group="metrics",
    title="Metrics are counted twice",
    severity="notice",
    meaning="With PROMETHEUS_MULTIPROC_DIR, prometheus_client keeps the metrics of all processes in files, and vLLM's "
    "/metrics shows the series of all of them. This server's /metrics shows those of its own process. If Prometheus "
    "scrapes both, a sum over lmcache:… counts each token twice. Files of earlier processes in the directory are "
    "counted, too.",
    confirm="`curl http://VLLM/metrics | grep lmcache:` has output.",
    next_step="Scrape the series lmcache:… on one of the two ports, or drop them from vLLM's with "
    "metric_relabel_configs. Empty the directory before each start.",
    needs=(
        "server.metrics_in_files",
        "versions.vllm",
    ),
    roles=("scheduler", "worker"),
    in_rank=find,
)
