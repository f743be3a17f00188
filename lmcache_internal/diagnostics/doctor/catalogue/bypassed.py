"""A backend is bypassed."""

from .. import Trouble

trouble = Trouble(
    code="bypassed",
    group="mode",
    title="A backend is bypassed",
    severity="warning",
    meaning="A bypassed backend is neither read nor written. Chunks that only this backend has are misses, and "
    "new chunks are not stored in it. If all backends are bypassed, nothing is cached.",
    confirm="`GET /bypass/list` shows the bypassed backends, and `GET /healthz` since when and by whom.",
    next_step="Return the backend to service: PUT /bypass/remove?backend_name=NAME.",
    roles=("worker",),
)
