"""The dashboard of one rank of an in-process engine."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as dashboards

from .panels import CHECK_WORDS, ON_OFF_WORDS, choice, graph, new_dashboard, row, states
from .server_panels import add_server_panels

_ONE = 'instance="$instance"'


def dashboard(uid: str) -> dashboards.Dashboard:
    """Return the dashboard."""
    made = new_dashboard(uid, "LMCache rank", "One worker: health, modes, cache, latencies, server.")
    made.with_variable(choice("instance", "Worker", "label_values(lmcache_internal:frozen, instance)"))
    _add_states(made)
    _add_cache(made)
    _add_storage(made)
    add_server_panels(made)
    return made


def _add_states(made: dashboards.Dashboard) -> None:
    made.with_panel(
        states(
            "Health checks",
            "{{check}}",
            f"lmcache_internal:check_status{{{_ONE}}}",
            "The last result of each health check.",
            CHECK_WORDS,
        )
    )
    modes = ("frozen", "drained")
    query = " or ".join(f'label_replace(lmcache_internal:{mode}{{{_ONE}}}, "mode", "{mode}", "", "")' for mode in modes)
    bypassed = f'label_replace(lmcache_internal:backend_bypassed{{{_ONE}}}, "mode", "bypassed $1", "backend", "(.*)")'
    made.with_panel(
        states(
            "Modes", "{{mode}}", f"{query} or {bypassed}", "Restrictions that operators or LMCache set.", ON_OFF_WORDS
        )
    )


def _rate(name: str) -> str:
    return f"sum(rate(lmcache:{name}_total{{{_ONE}}}[$__rate_interval]))"


def _quantile(name: str, quantile: float) -> str:
    return f"histogram_quantile({quantile}, sum by (le) (rate(lmcache:{name}_bucket{{{_ONE}}}[$__rate_interval])))"


def _add_cache(made: dashboards.Dashboard) -> None:
    made.with_row(row("Cache"))
    ratios = {
        "lookup": ("num_lookup_hits", "num_lookup_tokens"),
        "retrieve": ("num_hit_tokens", "num_requested_tokens"),
    }
    kinds = ("lookup", "retrieve", "store")
    for panel in (
        graph(
            "Hit ratio",
            "percentunit",
            {name: f"{_rate(hits)} / ({_rate(tokens)} > 0)" for name, (hits, tokens) in ratios.items()},
            "Found tokens out of requested tokens. No line: no requests.",
        ).max(1),
        graph(
            "Tokens per second",
            "short",
            {
                "looked up": _rate("num_lookup_tokens"),
                "retrieved": _rate("num_hit_tokens"),
                "stored": _rate("num_stored_tokens"),
            },
        ),
        graph("Engine requests per second", "reqps", {kind: _rate(f"num_{kind}_requests") for kind in kinds}),
        *(
            graph(
                f"Time to {kind}",
                "s",
                {f"{quantile:.0%}": _quantile(f"time_to_{kind}", quantile) for quantile in (0.5, 0.99)},
            )
            for kind in kinds
        ),
    ):
        made.with_panel(panel)


def _add_storage(made: dashboards.Dashboard) -> None:
    made.with_row(row("Storage"))
    for panel in (
        graph(
            "Size of the chunks",
            "bytes",
            {
                "memory": f"lmcache:local_cache_usage{{{_ONE}}}",
                "disk": f"lmcache:local_storage_usage{{{_ONE}}}",
            },
        ),
        graph("Chunks in memory", "short", {"chunks": f"lmcache:local_cpu_hot_cache_count{{{_ONE}}}"}),
        graph("Evicted chunks per second", "short", {"chunks": _rate("local_cpu_evict_keys_count")}),
        graph(
            "Time of a chunk in memory",
            "s",
            {"chunks": f"instance:lmcache_chunk_residence_seconds:rate5m{{{_ONE}}}"},
            "No line: no evictions.",
        ),
        graph(
            "Failed calls of the remote backend",
            "short",
            {
                "read": f"lmcache:get_blocking_failed_count{{{_ONE}}}",
                "write": f"lmcache:put_failed_count{{{_ONE}}}",
            },
            "Since the start of the engine.",
        ),
        graph(
            "Revision of the configuration",
            "short",
            {"revision": f"lmcache_internal:config_revision{{{_ONE}}}"},
            "It grows by 1 with each change over HTTP.",
        ),
    ):
        made.with_panel(panel)
