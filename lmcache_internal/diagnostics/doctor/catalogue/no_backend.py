"""The engine has no backend."""

from .. import Trouble

trouble = Trouble(
    code="no-backend",
    group="mode",
    title="The engine has no backend",
    severity="error",
    meaning="Without a backend, the engine stores nothing and finds nothing. The configuration names no "
    "backend, or none could be created.",
    confirm="`GET /backends` shows an empty list.",
    next_step="Configure a backend, and create it with POST /backends.",
    roles=("worker",),
)
