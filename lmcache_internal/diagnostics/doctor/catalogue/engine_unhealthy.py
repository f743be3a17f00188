"""LMCache considers the engine unhealthy."""

from .. import Trouble

trouble = Trouble(
    code="engine-unhealthy",
    group="mode",
    title="LMCache considers the engine unhealthy",
    severity="error",
    meaning="LMCache's engine skips every store, lookup and retrieve while it is unhealthy: after a failed "
    "initialization until a restart, or while its health monitor reports a failure. Requests are then "
    "computed without the cache, and nothing but the log shows it.",
    confirm="`GET /healthz` shows the failed check. The log of LMCache has the lines `LMCache is unhealthy, "
    "skipping …`.",
    next_step="See GET /healthz for the failed check and the log of the engine for its cause. After a failed "
    "initialization, restart the rank.",
    roles=("worker",),
)
