"""The dashboard of a fleet: all ranks and MP servers of the chosen jobs."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as dashboards

from .panels import CHECK_WORDS, choice, graph, new_dashboard, number, plain_number, row, states

_JOB = 'job=~"$job"'
_MODEL = 'job=~"$job", model_name=~"$model"'


def dashboard(uid: str) -> dashboards.Dashboard:
    """Return the dashboard."""
    made = new_dashboard(uid, "LMCache fleet", "All ranks: availability, modes, hit ratio, evictions.")
    made.with_variable(choice("job", "Job", "label_values(lmcache_internal:config_revision, job)", multiple=True))
    made.with_variable(
        choice(
            "model", "Model", f"label_values(model:lmcache_lookup_tokens:rate5m{{{_JOB}}}, model_name)", multiple=True
        )
    )
    _add_numbers(made)
    _add_cache(made)
    _add_ranks(made)
    return made


def _add_numbers(made: dashboards.Dashboard) -> None:
    for panel in (
        plain_number("Targets", f"count(up{{{_JOB}}})", "Targets of the chosen jobs."),
        number("Down", f"count(up{{{_JOB}}} == 0) or vector(0)", "Targets that cannot be scraped.", is_critical=True),
        number(
            "Failing checks",
            f"count(lmcache_internal:check_status{{{_JOB}}} == 2) or vector(0)",
            "Health checks that fail, on all ranks.",
            is_critical=True,
        ),
        number(
            "Restricted ranks",
            "count(max by (job, instance) ("
            f"lmcache_internal:frozen{{{_JOB}}} or lmcache_internal:drained{{{_JOB}}} "
            f"or lmcache_internal:backend_bypassed{{{_JOB}}}) == 1) or vector(0)",
            "Ranks that are frozen or drained, or have a bypassed backend.",
        ),
        number(
            "Configurations",
            f'count(count_values("checksum", lmcache_internal:config_checksum{{{_JOB}}}))',
            "Different configurations; 1 if all ranks have the same.",
            limit=2,
        ),
        number(
            "Firing alerts",
            'count(ALERTS{alertname=~"LMCache.+", alertstate="firing"}) or vector(0)',
            "Alerts of deploy/prometheus/rules.",
        ),
    ):
        made.with_panel(panel)


def _add_cache(made: dashboards.Dashboard) -> None:
    made.with_row(row("Cache"))
    for panel in (
        graph(
            "Hit ratio of lookups",
            "percentunit",
            {"{{model_name}}": f"model:lmcache_lookup_hit_ratio:rate5m{{{_MODEL}}}"},
            "Tokens that were cached, out of those that were looked up, in 5 minutes. No line: no lookups.",
        ).max(1),
        graph(
            "Looked up tokens per second",
            "short",
            {
                "{{model_name}} looked up": f"model:lmcache_lookup_tokens:rate5m{{{_MODEL}}}",
                "{{model_name}} cached": f"model:lmcache_lookup_hit_tokens:rate5m{{{_MODEL}}}",
            },
        ),
        graph(
            "Stored tokens per second",
            "short",
            {
                "{{model_name}}": "sum by (model_name) "
                f"(rate(lmcache:num_stored_tokens_total{{{_MODEL}}}[$__rate_interval]))"
            },
        ),
        graph(
            "Memory of chunks",
            "bytes",
            {"{{instance}}": f"sum by (instance) (lmcache:local_cache_usage{{{_MODEL}}})"},
        ),
        graph(
            "Time of a chunk in memory",
            "s",
            {"{{instance}}": f"min by (instance) (instance:lmcache_chunk_residence_seconds:rate5m{{{_MODEL}}})"},
            "Chunks in memory, divided by those that are evicted each second. No line: no evictions.",
        ),
        graph(
            "Failed calls of remote backends",
            "short",
            {
                "{{instance}} read": f"sum by (instance) (lmcache:get_blocking_failed_count{{{_MODEL}}})",
                "{{instance}} write": f"sum by (instance) (lmcache:put_failed_count{{{_MODEL}}})",
            },
            "Since the start of the engine.",
        ),
    ):
        made.with_panel(panel)


def _add_ranks(made: dashboards.Dashboard) -> None:
    made.with_row(row("Ranks"))
    made.with_panel(
        states(
            "Worst health check",
            "{{instance}}",
            f"max by (instance) (lmcache_internal:check_status{{{_JOB}}})",
            "The worst result of the health checks of each rank.",
            CHECK_WORDS,
        )
    )
    for panel in (
        graph("Duration of a scrape", "s", {"{{instance}}": f"scrape_duration_seconds{{{_JOB}}}"}, width=12),
        graph(
            "Refused requests per second",
            "reqps",
            {
                "{{instance}} {{status}}": "sum by (instance, status) "
                f"(rate(lmcache_internal:refused_requests_total{{{_JOB}}}[$__rate_interval]))"
            },
            width=12,
        ),
    ):
        made.with_panel(panel)
