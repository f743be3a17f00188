"""Ranks have different data types of the KV cache."""

from .. import Trouble, differs

trouble = Trouble(
    code="kv-dtype-differs",
    group="shape",
    title="The data type of the KV cache is not the same in all ranks",
    severity="error",
    meaning="The data type is a part of each key, and decides how many bytes a chunk has. Ranks with different types "
    "never find the chunks of each other.",
    confirm="`lmcache-internal get '/meta?names=kv_dtype'` shows the type of each rank.",
    next_step="Start all ranks with the same --dtype and --kv-cache-dtype arguments.",
    needs=("metadata.kv_dtype",),
    roles=("scheduler", "worker"),
    in_fleet=differs("metadata.kv_dtype", "KV data types"),
)
