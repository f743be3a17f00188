"""Ranks split prompts into chunks of different sizes."""

from .. import Trouble, differs

trouble = Trouble(
    code="chunk-size-differs",
    group="shape",
    title="The chunk size is not the same in all ranks",
    severity="error",
    meaning="The key of a chunk is the hash of its tokens and of all tokens before it. Ranks with different chunk "
    "sizes compute different keys for the same prompt, so no rank finds what another rank stored. The scheduler then "
    "reports no hits, although the workers store chunks.",
    confirm="`lmcache-internal conf get chunk_size` shows the value of each rank.",
    next_step="Set the same chunk_size for all ranks, in one configuration file, and restart those that differ.",
    needs=("config.chunk_size",),
    roles=("scheduler", "worker"),
    in_fleet=differs("config.chunk_size", "chunk sizes"),
)
