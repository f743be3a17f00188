"""Ranks have different world sizes."""

from .. import Trouble, differs

trouble = Trouble(
    code="world-size-differs",
    group="shape",
    title="The world size is not the same in all ranks",
    severity="error",
    meaning="The world size is a part of each key, and the scheduler sends lookups to as many workers. Ranks with "
    "different world sizes never find the chunks of each other, and lookups may wait for workers that do not exist.",
    confirm="`lmcache-internal get '/meta?names=world_size'` shows the value of each rank.",
    next_step="Start all ranks with the same tensor and pipeline parallel sizes.",
    needs=("metadata.world_size",),
    roles=("scheduler", "worker"),
    in_fleet=differs("metadata.world_size", "world sizes"),
)
