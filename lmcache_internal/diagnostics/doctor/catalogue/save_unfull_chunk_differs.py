"""Ranks disagree about chunks that are not full."""

from .. import Trouble, differs

trouble = Trouble(
    code="save-unfull-chunk-differs",
    group="shape",
    title="save_unfull_chunk is not the same in all ranks",
    severity="warning",
    meaning="A rank with save_unfull_chunk stores the end of a prompt that does not fill a chunk; the other ranks "
    "neither store nor look it up. A prefix counts as cached only if all workers have it, so these chunks take memory "
    "and are never hit.",
    confirm="`lmcache-internal conf get save_unfull_chunk` shows the value of each rank.",
    next_step="Set the same save_unfull_chunk for all ranks, and restart those that differ.",
    needs=("config.save_unfull_chunk",),
    roles=("scheduler", "worker"),
    in_fleet=differs("config.save_unfull_chunk", "values of save_unfull_chunk"),
)
