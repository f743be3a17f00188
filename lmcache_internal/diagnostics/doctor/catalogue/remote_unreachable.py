"""A remote backend has no connection."""

from .. import Trouble

trouble = Trouble(
    code="remote-unreachable",
    group="mode",
    title="A remote backend has no connection",
    severity="error",
    meaning="The chunks of a backend without connection are misses, and new chunks are not stored in it. "
    "LMCache does not report an error to the inference engine, so that requests are only slower.",
    confirm="`GET /healthz` shows the backend and the reason.",
    next_step="Restore the connection, or recreate the backend with POST /backends/NAME/recreate.",
    roles=("worker",),
)
