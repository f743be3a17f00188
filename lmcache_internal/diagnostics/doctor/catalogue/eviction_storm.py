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


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the mean time that a chunk stays in memory is short.

    It is the number of chunks in memory divided by the rate of evictions (Little's law). The time since the start of
    the process is at least that of the engine, so that the real time is even shorter.
    """
    evicted, held = rank.get(KEYS, rank[EVICTED]), rank[HELD]
    seconds = rank["system.time"] - rank[START]
    if evicted < MIN_EVICTED or seconds <= 0:
        return
    life = held * seconds / evicted
    if life < SHORTEST_LIFE:
        yield Finding(
            message=f"A chunk stays in memory for {life:.3g} s on average before it is evicted.",
            evidence={
                "evicted chunks": evicted,
                "chunks in memory": held,
                "seconds since the start": round(seconds),
                "max_local_cpu_size": rank.get("config.max_local_cpu_size"),
            },
        )


trouble = Trouble(
    code="eviction-storm",
    group="mode",
    title="Chunks are evicted soon after they are stored",
    severity="warning",
    meaning="The memory for chunks is much smaller than the chunks that requests store. Each chunk is evicted before "
    "another request can use it, so the engine copies chunks for nothing and the hit rate is low.",
    confirm="Divide lmcache:local_cpu_hot_cache_count by the rate of lmcache:local_cpu_evict_keys_count_total: it is "
    "the mean time that a chunk stays in memory.",
    next_step="Raise max_local_cpu_size, add a disk or a remote backend, or send requests with the same prefix to the "
    "same replica.",
    needs=(
        "metrics.lmcache:local_cpu_evict_count_total",
        "metrics.lmcache:local_cpu_hot_cache_count",
        "metrics.process_start_time_seconds",
        "system.time",
    ),
    roles=("worker",),
    in_rank=find,
)
