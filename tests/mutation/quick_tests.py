"""The mutated files, and the quick tests that must detect the mutants. The most specific tests come first."""

from __future__ import annotations

from pathlib import Path

_WIRE = (
    "tests/serving/test_tasks.py tests/serving/test_header_cache.py tests/serving/test_framing.py "
    "tests/serving/test_heads.py tests/serving/test_bodiless.py "
    "tests/serving/test_expect.py tests/serving/test_not_http.py"
)
_CONNECTIONS = (
    "tests/system/test_socket_directory.py tests/system/test_log_queue.py "
    "tests/serving/test_event_loop.py tests/serving/test_memory.py "
    "tests/serving/test_thread_pool.py tests/serving/test_inline.py "
    "tests/serving/test_connection_timeouts.py tests/limits/test_single_flight.py "
    "tests/serving/test_dropped.py tests/serving/test_limit.py tests/serving/test_hand_back.py "
    "tests/serving/test_late.py "
    "tests/serving/test_expect.py tests/serving/test_bodiless.py tests/limits/test_timeouts_over_sockets.py "
    "tests/test_server.py tests/test_locations.py tests/faults/test_clock.py "
    "tests/faults/test_connections.py::test_a_half_closed_client_gets_its_response "
    "tests/faults/test_connections.py::test_a_client_that_never_reads_is_closed "
    "tests/faults/test_connections.py::test_idle_connections_are_closed_in_time "
    "tests/serving/test_exhausted.py "
    "tests/faults/test_refused_bodies.py::test_a_client_that_sends_the_complete_body_first_can_read_the_response "
    "tests/faults/test_connection_limit.py::test_waiting_clients_do_not_lock_out_others "
    "tests/faults/test_thread_limit.py::test_a_start_fails_completely_whichever_thread_is_missing "
    "tests/faults/test_connections.py::test_after_a_burst_the_extra_threads_end"
)
_SECURITY = (
    "tests/security tests/cli/test_token.py tests/blueprints/test_ui_api.py --ignore=tests/security/test_chromium.py "
    "--deselect=tests/security/test_secrets.py::test_secret_is_in_no_response_and_no_log_line"
)
_LIMITS = (
    "tests/limits/test_timeouts.py tests/limits/test_concurrency.py "
    "tests/limits/test_bulkheads.py tests/limits/test_change_lock.py "
    "tests/limits/test_single_flight.py tests/blueprints/test_run_script_limit.py"
)
_REQUEST_COUNTS = "tests/metrics/test_server.py tests/blueprints/test_ui_api.py"
_SOCKET_CALLS = "tests/serving/test_gil_sockets.py tests/serving/test_cpu_budget.py tests/serving/test_framing.py"
_CONFIGURATION = (
    "tests/blueprints/test_conf_api.py tests/blueprints/test_conf_values.py tests/blueprints/test_conf_fresh.py "
    "tests/blueprints/test_conf_transaction.py"
)
_REDACTION = (
    "tests/redaction/test_redaction.py tests/redaction/test_kinds.py "
    "tests/redaction/test_names.py tests/redaction/test_texts.py tests/redaction/test_log_lines.py "
    "tests/security/test_audit.py tests/security/test_bounded_memory.py "
    "tests/blueprints/test_conf_api.py tests/test_app.py"
)
_SETTINGS = (
    "tests/test_config_file.py tests/test_settings.py tests/test_address.py tests/test_locations.py "
    "tests/security/test_access.py tests/security/test_token_files.py tests/blueprints/test_conf_api.py"
)

# Tests, and the patterns of the files that they cover.
TESTS = {
    _SECURITY: ["security/*"],
    _LIMITS: [
        "limits/bulkheads",
        "limits/change_lock",
        "limits/concurrency",
        "limits/script_limit",
        "limits/single_flight",
        "limits/timeouts",
    ],
    _REQUEST_COUNTS: ["limits/recent_requests", "limits/request_counts", "limits/server_load"],
    _WIRE: ["serving/header_cache", "serving/request_parser", "serving/tasks"],
    _CONNECTIONS: [
        "serving/acceptor",
        "serving/connection",
        "serving/event_loop",
        "serving/inline",
        "serving/listener",
        "serving/memory",
        "serving/sending",
        "serving/thread_pool",
        "serving/transport",
        "system/log_queue",
    ],
    _SOCKET_CALLS: ["serving/gil_sockets", "serving/cpu_budget"],
    _CONFIGURATION: ["configuration/*", "operations/etags"],
    _REDACTION: ["redaction/*"],
    _SETTINGS: ["settings/*"],
}


def quick_tests() -> dict[str, str]:
    """The arguments of pytest for each file."""
    return {
        str(file): tests
        for tests, names in TESTS.items()
        for name in names
        for file in sorted(Path().glob(f"lmcache_internal/{name}.py"))
    }
