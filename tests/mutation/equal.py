"""Mutants that are equivalent to the code: no test can detect them, so they are not tried."""

from __future__ import annotations

_IGNORED = "The property takes the time itself, and ignores the value."
_LONGER = "A token of one random byte more is as good."

_NEXT_SWEEP = "New connections wait until the next sweep instead, which is at most as far away."
_FIRST_SWEEP = "The first sweep resets it, before any connection could wait."
_LONG_AGO = "The monotonic clock counts from the start of the machine, so it is past both."
_NO_THREAD = "No thread has this identifier; the event loop sets its own before it handles anything."
_ALWAYS_SET = "@operation always sets the attribute, so the default is never used."
_NOT_FOUND = "Its callers use the larger of the value and a position, so every negative value is the same."
_AFTER_NAME = "The line begins with a name, so its end is after position 0."
_ONE = "The list has one element."
_EXPECTED = "`expect_response` sets it before a request that may be late."
_HELD = "It is read only while the lock is held, and is set then."
_NOT_SHOWN = "The format of the audit log does not show the number of the line."
_STARTED = "The thread has started, so it has an ident."

# File, line before, line after; why they are equivalent.
EQUAL: dict[tuple[str, str, str], str] = {
    ("lmcache_internal/limits/change_lock.py", "self._since = 0.0", "self._since = -1.0"): _HELD,
    (
        "lmcache_internal/serving/memory.py",
        "def skip(self, size: int, allow_prune: bool = False) -> None:  # noqa: ARG002  # waitress' signature.",
        "def skip(self, size: int, allow_prune: bool = True) -> None:  # noqa: ARG002  # waitress' signature.",
    ): "The argument is ignored.",
    (
        "lmcache_internal/security/audit.py",
        "log_queue.handle(handler, logging.LogRecord(logger.name, logging.INFO, __file__, 0, line, None, None))",
        "log_queue.handle(handler, logging.LogRecord(logger.name, logging.INFO, __file__, -1, line, None, None))",
    ): _NOT_SHOWN,
    (
        "lmcache_internal/security/audit.py",
        "log_queue.handle(handler, logging.LogRecord(logger.name, logging.INFO, __file__, 0, line, None, None))",
        "log_queue.handle(handler, logging.LogRecord(logger.name, logging.INFO, __file__, 1, line, None, None))",
    ): _NOT_SHOWN,
    (
        "lmcache_internal/security/audit.py",
        '"outcome": "refused" if status in (401, 403, 429) else "done" if status < 400 else "failed",',
        '"outcome": "refused" if status in (401, 403, 429) else "done" if status < 399 else "failed",',
    ): "No response has the status 399.",
    (
        "lmcache_internal/redaction/masking.py",
        "return {key: values if len(values) > 1 else values[0] for key, values in merged.items()}",
        "return {key: values if len(values) > 1 else values[ -1] for key, values in merged.items()}",
    ): _ONE,
    (
        "lmcache_internal/serving/thread_pool.py",
        "if len(self.threads) < self._least:",
        "if len(self.threads) != self._least:",
    ): "waitress starts no more threads than it is asked for.",
    (
        "lmcache_internal/serving/gil_sockets.py",
        "return _checked(_libc.send(self.fileno(), data, len(data), flags | _SEND))",
        "return _checked(_libc.send(self.fileno(), data, len(data), flags ^ _SEND))",
    ): "Nothing sends with flags.",
    (
        "lmcache_internal/serving/connection.py",
        "self, server: Any, sock: socket.socket, *rest: Any, is_over_limit: bool = False, **options: Any",
        "self, server: Any, sock: socket.socket, *rest: Any, is_over_limit: bool = True, **options: Any",
    ): "The server gives the argument.",
    (
        "lmcache_internal/redaction/masking.py",
        "if not (start and start in '{[\"'):",
        "if not (start or start in '{[\"'):",
    ): "Other texts are numbers or constants without a secret, or no JSON; both are masked in the same way.",
    ("lmcache_internal/security/browser.py", "", "def _host_in(header: str) -> str:"): "It is only a cache.",
    ("lmcache_internal/serving/sending.py", "_has_begun = False", "_has_begun = True"): _EXPECTED,
    ("lmcache_internal/serving/cpu_budget.py", "self._idle_until = 0.0", "self._idle_until = -1.0"): _LONG_AGO,
    ("lmcache_internal/serving/connection.py", "self.last_activity = 0.0", "self.last_activity = 1.0"): _IGNORED,
    ("lmcache_internal/serving/connection.py", "self.last_activity = 0.0", "self.last_activity = -1.0"): _IGNORED,
    (
        "lmcache_internal/redaction/values.py",
        "return len(text) if end < 0 else end",
        "return len(text) if end <= 0 else end",
    ): _AFTER_NAME,
    (
        "lmcache_internal/redaction/values.py",
        "return len(text) if end < 0 else end",
        "return len(text) if end < 1 else end",
    ): _AFTER_NAME,
    (
        "lmcache_internal/settings/config_file.py",
        "def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:",
        "def construct_mapping(self, node: yaml.MappingNode, deep: bool = True) -> dict[Hashable, Any]:",
    ): "PyYAML gives the argument.",
    (
        "lmcache_internal/redaction/masking.py",
        "names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)",
        "names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=False)",
    ): "msgspec gives two tuples of the same length.",
    (
        "lmcache_internal/configuration/history.py",
        "class Revision(Struct, frozen=True):",
        "class Revision(Struct, frozen=False):",
    ): "No code assigns an attribute.",
    (
        "lmcache_internal/security/audit.py",
        "return {name: values if len(values) > 1 else values[0] for name, values in kept.items()}",
        "return {name: values if len(values) > 1 else values[ -1] for name, values in kept.items()}",
    ): _ONE,
    ("lmcache_internal/redaction/urls.py", "return -1", "return - 2"): _NOT_FOUND,
    ("lmcache_internal/serving/acceptor.py", "_full_until = 0.0", "_full_until = 1.0"): _FIRST_SWEEP,
    ("lmcache_internal/serving/acceptor.py", "_full_until = 0.0", "_full_until = -1.0"): _FIRST_SWEEP,
    ("lmcache_internal/serving/acceptor.py", "_next_warning = 0.0", "_next_warning = 1.0"): _LONG_AGO,
    ("lmcache_internal/serving/acceptor.py", "_next_warning = 0.0", "_next_warning = -1.0"): _LONG_AGO,
    ("lmcache_internal/serving/acceptor.py", "loop_thread = 0", "loop_thread = 1"): _NO_THREAD,
    ("lmcache_internal/serving/acceptor.py", "loop_thread = 0", "loop_thread = -1"): _NO_THREAD,
    (
        "lmcache_internal/serving/acceptor.py",
        "if self._full_until and now >= self._full_until:",
        "if self._full_until or now >= self._full_until:",
    ): _NEXT_SWEEP,
    (
        "lmcache_internal/limits/bulkheads.py",
        'if not is_operation or (getattr(view, "cheap", False) and not getattr(view, "inline", False)):',
        'if not is_operation or (getattr(view, "cheap", False) and not getattr(view, "inline", True)):',
    ): _ALWAYS_SET,
    (
        "lmcache_internal/security/token.py",
        'text = f"lmci_{secrets.token_urlsafe(32)}"',
        'text = f"lmci_{secrets.token_urlsafe( 33)}"',
    ): _LONGER,
} | {
    ("lmcache_internal/limits/timeouts.py", line.format("0"), line.format(other)): _STARTED
    for line in (
        "frame = frames.get(self.ident or {})",
        "ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident or {}), ctypes.py_object(SystemExit))",
    )
    for other in ("1", "-1")
}
