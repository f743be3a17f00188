"""Chunks are evicted soon after they are stored."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble

MIN_EVICTED = 100
"""Fewer evicted chunks prove nothing."""
SHORTEST_LIFE = 60.0
"""In seconds: chunks that live shorter on average are evicted before the next turn of a conversation."""
KEYS = "metrics.lmcache:local_cpu_evict_keys_count_total"
EVICTED = "metrics.lmcache:local_cpu_evict_count_total"
HELD = "metrics.lmcache:local_cpu_hot_cache_count"
START = "metrics.process_start_time_seconds"
USED = "metrics.lmcache:local_cache_usage"
FULL = 0.5
"""The share of max_local_cpu_size that chunks fill while they are evicted."""
GIB = 1 << 30
CPU = "LocalCPUBackend"


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the mean time that a chunk stays in memory is short.

    It is the number of chunks in memory divided by the rate of evictions (Little's law). The time since the start of
    the process is at least that of the engine, so that the real time is even shorter. If the memory is not full, such
    as after it was cleared, the number of chunks is not that of the time of the evictions, and proves nothing.
    """
    evicted, held = rank.get(KEYS, rank[EVICTED]), rank[HELD]
    seconds = rank["system.time"] - rank[START]
    is_full = rank[USED] >= FULL * rank["config.max_local_cpu_size"] * GIB
    if evicted < MIN_EVICTED or seconds <= 0 or not held or not is_full:
        return
    life = held * seconds / evicted
    others = [name for name in rank["mode.in_service"] if name != CPU]
    if life < SHORTEST_LIFE:
        yield Finding(
            message=f"A chunk stays in memory for {life:.3g} s on average before it is evicted.",
            evidence={
                "evicted chunks": evicted,
                "chunks in memory": held,
                "seconds since the start": round(seconds),
                "max_local_cpu_size": rank["config.max_local_cpu_size"],
                "other backends": others,
            },
            severity="notice" if others else None,
        )


trouble = Trouble(
    code="eviction-storm",
    group="mode",
    title="Chunks are evicted soon after they are stored",
    severity="warning",
    meaning="The memory for chunks is much smaller than the chunks that requests store. Each chunk is evicted before "
    "another request can use it, so the engine copies chunks for nothing and the hit rate is low. It is a notice if "
    "another backend stores the chunks, too, because the hits then come from that backend.",
    confirm="Divide lmcache:local_cpu_hot_cache_count by the rate of lmcache:local_cpu_evict_keys_count_total: it is "
    "the mean time that a chunk stays in memory.",
    next_step="Raise max_local_cpu_size, add a disk or a remote backend, or send requests with the same prefix to the "
    "same replica.",
    needs=(
        "metrics.lmcache:local_cpu_evict_count_total",
        "metrics.lmcache:local_cpu_hot_cache_count",
        "metrics.lmcache:local_cache_usage",
        "config.max_local_cpu_size",
        "mode.in_service",
        "metrics.process_start_time_seconds",
        "system.time",
    ),
    roles=("worker",),
    in_rank=find,
)
