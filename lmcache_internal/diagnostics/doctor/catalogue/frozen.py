"""The engine is frozen."""

from .. import Trouble

trouble = Trouble(
    code="frozen",
    group="mode",
    title="The engine is frozen",
    severity="warning",
    meaning="A frozen engine stores no new chunks, so prompts that came after the freeze are misses. LMCache "
    "also reads only LocalCPUBackend while it is frozen: chunks on disk and in remote storages are "
    "misses, too.",
    confirm="`GET /freeze/status` shows the freeze mode, and `GET /healthz` since when and by whom.",
    next_step="End the freeze mode: PUT /freeze/disable.",
    roles=("worker",),
)
