"""A backend was closed."""

from .. import Trouble

trouble = Trouble(
    code="backend-closed",
    group="mode",
    title="A backend was closed",
    severity="warning",
    meaning="A backend that was closed with `DELETE /backends/NAME` is neither read nor written. What it has "
    "on disk or in a remote storage is used again after it is created; chunks in memory are lost.",
    confirm="`GET /backends` does not list it, and `GET /healthz` shows since when it is closed and by whom.",
    next_step="Create the backend again: POST /backends.",
    roles=("worker",),
)
