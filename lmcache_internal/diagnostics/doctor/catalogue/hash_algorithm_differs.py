"""Ranks are configured with different hash functions."""

from .. import Trouble, differs

trouble = Trouble(
    code="hash-algorithm-differs",
    group="hashing",
    title="The hash function is not the same in all ranks",
    severity="error",
    meaning="The key of a chunk is computed with pre_caching_hash_algorithm. Ranks with different functions compute "
    "different keys for the same tokens, so no rank finds what another rank stored.",
    confirm="`lmcache-internal conf get pre_caching_hash_algorithm` shows the value of each rank.",
    next_step="Set the same pre_caching_hash_algorithm for all ranks, and restart those that differ.",
    needs=("config.pre_caching_hash_algorithm",),
    roles=("scheduler", "worker"),
    in_fleet=differs("config.pre_caching_hash_algorithm", "values of pre_caching_hash_algorithm"),
)
