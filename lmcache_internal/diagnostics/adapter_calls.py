"""Calls to the L2 adapters of an MP server, with a timeout and with errors that name the adapter.

An adapter talks to a storage that may fail or hang, and one of several must not be blamed on the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..errors import CallTimedOut, EngineUnavailable
from ..limits.timeouts import call_within
from ..redaction import redact

STATUS_SECONDS = 0.5
"""How long all adapters together may take to report their status, if more than one hangs."""
_LEAST_SECONDS = 0.05


def call_adapter(descriptor: Any, action: str, function: Callable[[], Any], seconds: float) -> Any:
    """Call an adapter.

    Args:
        descriptor: the adapter's descriptor.
        action: what the call does, for messages: "list the objects".
        function: the call.
        seconds: its timeout.

    Raises:
        CallTimedOut: it does not respond (504).
        EngineUnavailable: it raises an exception, other than those by which it says that it cannot do this (503).
    """
    name = f"{action} of the L2 adapter {descriptor.index} ({descriptor.type_name})"
    try:
        return call_within(name, function, seconds)
    except (CallTimedOut, ValueError, NotImplementedError):
        raise
    except Exception as error:  # A storage may fail in any way.
        reason = redact(str(error)) or type(error).__name__
        raise EngineUnavailable(f"Cannot {name}: {reason}", title="L2 adapter failed") from None


def unhealthy_adapters(adapters: list[tuple[Any, Any]]) -> list[str]:
    """Return each adapter that does not report that it is healthy, with the reason."""
    until = time.monotonic() + STATUS_SECONDS
    found = {
        f"{descriptor.index}: {descriptor.type_name}": _failure(
            descriptor, adapter, max(_LEAST_SECONDS, until - time.monotonic())
        )
        for descriptor, adapter in adapters
    }
    return [f"{name}{reason}" for name, reason in found.items() if reason is not None]


def _failure(descriptor: Any, adapter: Any, seconds: float) -> str | None:
    """Why an adapter is unhealthy; None if it is healthy."""
    try:
        status = call_adapter(descriptor, "report the status", adapter.report_status, seconds)
    except CallTimedOut:
        return " does not respond"
    except Exception as error:  # A storage may fail in any way; the check reports it.
        return f" failed: {str(error).rpartition('): ')[2]}"
    return None if status["is_healthy"] else ""
