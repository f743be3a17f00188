"""The dashboard of one MP server: LMCache's multi-process server of a node."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as dashboards

from .panels import CHECK_WORDS, choice, graph, new_dashboard, row, states
from .server_panels import add_server_panels

_ONE = 'instance="$instance"'
_WORKERS = {"registered": "registered", "idle": "idle", "missing": "removed and not registered again"}
_INSTANCES = 'label_values(lmcache_internal:config_revision{role="mp_server"}, instance)'


def dashboard(uid: str) -> dashboards.Dashboard:
    """Return the dashboard."""
    made = new_dashboard(uid, "LMCache MP server", "One MP server: health, L1, L2, lookups, server.")
    made.with_variable(choice("instance", "MP server", _INSTANCES))
    made.with_panel(
        states(
            "Health checks",
            "{{check}}",
            f"lmcache_internal:check_status{{{_ONE}}}",
            "The last result of each health check.",
            CHECK_WORDS,
        )
    )
    made.with_panel(
        graph(
            "Workers",
            "short",
            {word: f"lmcache_internal:mp_workers_{name}{{{_ONE}}}" for name, word in _WORKERS.items()},
            "Idle: silent for half of the limit after which the server removes a worker.",
        )
    )
    _add_lookups(made)
    _add_storage(made)
    add_server_panels(made)
    return made


def _rate(name: str, by: str = "") -> str:
    return f"sum{by and f' by ({by}) '}(rate(lmcache_mp_{name}_total{{{_ONE}}}[$__rate_interval]))"


def _add_lookups(made: dashboards.Dashboard) -> None:
    made.with_row(row("Lookups"))
    requested = f"({_rate('lookup_requested_tokens', 'model_name')} > 0)"
    levels = {"L1 and L2": "lookup_hit_tokens", "L1": "lookup_hit_l1_tokens", "L2": "lookup_hit_l2_tokens"}
    for panel in (
        graph(
            "Hit ratio",
            "percentunit",
            {
                f"{{{{model_name}}}} {level}": f"{_rate(name, 'model_name')} / {requested}"
                for level, name in levels.items()
            },
            "Tokens that were found, out of those that were looked up. No line: no lookups.",
        ).max(1),
        graph(
            "Tokens per second",
            "short",
            {
                "{{model_name}} looked up": _rate("lookup_requested_tokens", "model_name"),
                "{{model_name}} found": _rate("lookup_hit_tokens", "model_name"),
            },
        ),
        graph("Lookups per second", "reqps", {"{{model_name}}": _rate("lookups_requests", "model_name")}),
    ):
        made.with_panel(panel)


def _add_storage(made: dashboards.Dashboard) -> None:
    made.with_row(row("Storage"))
    for panel in (
        graph("L1 memory", "bytes", {"{{backend}} {{l1_tag}}": f"lmcache_mp_l1_memory_usage_bytes{{{_ONE}}}"}),
        graph("L1 usage", "percentunit", {"{{backend}} {{l1_tag}}": f"lmcache_mp_l1_usage_ratio{{{_ONE}}}"}).max(1),
        graph(
            "L1 chunks per second",
            "short",
            {"written": _rate("l1_write_chunks"), "read": _rate("l1_read_chunks")},
        ),
        graph("L2 size", "bytes", {"{{l2_name}}": f"lmcache_mp_l2_usage_bytes{{{_ONE}}}"}),
        graph(
            "L2 stores per second",
            "reqps",
            {
                "submitted": _rate("l2_store_submitted_requests"),
                "{{l2_name}} completed": _rate("l2_store_completed_requests", "l2_name"),
            },
            "If more are submitted than completed for minutes, L2 is too slow.",
        ),
        graph(
            "Stores of workers per second",
            "reqps",
            {
                "{{device}} submitted": _rate("num_submitted_stores", "device"),
                "{{device}} finished": _rate("num_finished_stores", "device"),
            },
        ),
        graph(
            "Event queue",
            "short",
            {"waiting events": f"lmcache_mp_event_bus_queue_depth{{{_ONE}}}"},
            "Events of LMCache's own observability. If it drops events, the other panels are too low.",
        ),
        graph("Dropped events per second", "short", {"events": _rate("event_bus_dropped_events")}),
        graph(
            "L2 adapters",
            "short",
            {"store {{state}}": f"sum by (state) (lmcache_mp_l2_store_adapters{{{_ONE}}})"},
        ),
    ):
        made.with_panel(panel)
