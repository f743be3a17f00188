"""The hot cache is off, and nothing else stores chunks."""

from .. import Trouble

trouble = Trouble(
    code="hot-cache-off",
    group="mode",
    title="The hot cache is off, and nothing else stores chunks",
    severity="warning",
    meaning="Without the hot cache, LocalCPUBackend keeps no chunks. If no other backend is in service, "
    "nothing is cached. Switching the hot cache off also drops the chunks that it has.",
    confirm="`GET /hot_cache/status` shows whether it is on, and `GET /backends` which other backends exist.",
    next_step="Enable the hot cache: PUT /hot_cache/enable, or set local_cpu: true in the configuration.",
    roles=("worker",),
)
