"""Ranks disagree about layerwise storage."""

from .. import Trouble, differs

trouble = Trouble(
    code="layerwise-differs",
    group="shape",
    title="use_layerwise is not the same in all ranks",
    severity="error",
    meaning="With use_layerwise, a chunk is stored in one object per layer, under keys with the number of the layer. "
    "Ranks without it store one object per chunk. They never find the chunks of each other.",
    confirm="`lmcache-internal conf get use_layerwise` shows the value of each rank.",
    next_step="Set the same use_layerwise for all ranks, and restart those that differ.",
    needs=("config.use_layerwise",),
    roles=("scheduler", "worker"),
    in_fleet=differs("config.use_layerwise", "values of use_layerwise"),
)
