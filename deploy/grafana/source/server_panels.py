"""The panels about the server and its process, which each rank and each MP server has."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as dashboards

from .panels import graph, row

_ONE = 'instance="$instance"'


def add_server_panels(made: dashboards.Dashboard) -> None:
    """Add the panels of the server of `$instance`."""
    made.with_row(row("Server and process"))
    for panel in (
        graph(
            "Requests per second",
            "reqps",
            {
                "{{method}} {{route}} {{status}}": f"sum by (method, route, status) "
                f"(rate(lmcache_internal:requests_total{{{_ONE}}}[$__rate_interval]))"
            },
        ),
        graph(
            "Time until a response",
            "s",
            {
                f"{percent} %": f"histogram_quantile({percent / 100}, sum by (le) "
                f"(rate(lmcache_internal:request_seconds_bucket{{{_ONE}}}[$__rate_interval])))"
                for percent in (50, 99)
            },
            "From the authentication of a request to its response.",
        ),
        graph(
            "Load",
            "short",
            {
                "open connections": f"lmcache_internal:connections{{{_ONE}}}",
                "busy threads": f"lmcache_internal:busy_threads{{{_ONE}}}",
                "waiting requests": f"lmcache_internal:queued_requests{{{_ONE}}}",
                "stuck calls": f"lmcache_internal:stuck_calls{{{_ONE}}}",
            },
        ),
        graph(
            "Refused requests per second",
            "reqps",
            {
                "{{status}}": f"sum by (status) "
                f"(rate(lmcache_internal:refused_requests_total{{{_ONE}}}[$__rate_interval]))"
            },
            "401: no valid token. 403: role too low, or another site. 429: too many failed attempts.",
        ),
        graph("CPU cores", "short", {"used": f"rate(process_cpu_seconds_total{{{_ONE}}}[$__rate_interval])"}),
        graph(
            "Memory of the process",
            "bytes",
            {"resident": f"process_resident_memory_bytes{{{_ONE}}}"},
        ),
    ):
        made.with_panel(panel)
