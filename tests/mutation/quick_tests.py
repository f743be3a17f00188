"""Which files are mutated, and which quick tests must notice it: those that know a file best come first."""

from __future__ import annotations

from pathlib import Path

_WIRE = (
    "tests/test_heads.py tests/serving/test_framing.py tests/serving/test_heads.py tests/serving/test_bodiless.py "
    "tests/serving/test_expect.py tests/serving/test_not_http.py"
)
_CONNECTIONS = (
    "tests/test_loop.py tests/test_memory.py tests/test_pool.py tests/test_inline.py "
    "tests/serving/test_dropped.py tests/serving/test_limit.py tests/serving/test_hand_back.py "
    "tests/serving/test_expect.py tests/serving/test_bodiless.py tests/test_deadlines_over_sockets.py "
    "tests/test_server.py tests/faults/test_clock.py "
    "tests/faults/test_connections.py::test_a_half_closed_client_gets_its_answer "
    "tests/faults/test_connections.py::test_a_client_that_never_reads_is_closed "
    "tests/faults/test_connections.py::test_idle_connections_are_closed_in_time "
    "tests/faults/test_connections.py::test_a_burst_leaves_no_threads_behind"
)
_SECURITY = (
    "tests/security tests/cli/test_token.py --ignore=tests/security/test_chromium.py "
    "--deselect=tests/security/test_secrets.py::test_a_secret_is_in_no_reply_and_no_log_line"
)
_LIMITS = (
    "tests/test_calls.py tests/test_lanes.py tests/test_bulkheads.py tests/test_exclusion.py "
    "tests/test_single_flight.py tests/blueprints/test_run_script_limit.py"
)
_CONFIGURATION = (
    "tests/blueprints/test_conf_api.py tests/blueprints/test_conf_fresh.py tests/blueprints/test_conf_transaction.py"
)
_REDACTION = (
    "tests/test_redaction.py tests/test_redaction_kinds.py tests/test_redaction_names.py tests/test_redaction_texts.py "
    "tests/security/test_audit.py tests/blueprints/test_conf_api.py tests/test_app.py"
)
_SETTINGS = (
    "tests/test_settings.py tests/test_address.py tests/security/test_access.py tests/blueprints/test_conf_api.py"
)

_TESTS = {
    _SECURITY: ["security/*"],
    _LIMITS: ["calls", "lanes", "bulkheads", "exclusion", "single_flight", "running_scripts"],
    _WIRE: ["heads", "parsing", "tasks"],
    _CONNECTIONS: ["acceptor", "connection", "inline", "log_queue", "loop", "memory", "pool", "sending"],
    _CONFIGURATION: ["configuration", "preconditions", "revisions"],
    _REDACTION: ["redaction"],
    _SETTINGS: ["settings"],
}


def quick_tests() -> dict[str, str]:
    """The arguments of pytest for each file."""
    return {
        str(file): tests
        for tests, names in _TESTS.items()
        for name in names
        for file in sorted(Path().glob(f"lmcache_internal/{name}.py"))
    }
