"""The memory for chunks is smaller than one request."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble

GIB = 1 << 30
MIN_LOOKUPS = 20
"""Fewer lookups do not show how long requests are."""
LOOKUPS, TOKENS = "metrics.lmcache:num_lookup_requests_total", "metrics.lmcache:num_lookup_tokens_total"


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if no chunk fits in the memory, or fewer tokens than a request has on average."""
    limit = rank["config.max_local_cpu_size"]
    chunk, size = rank["memory.chunk_bytes"], rank["config.chunk_size"]
    capacity = int(limit * GIB // chunk) * size
    lookups, tokens = rank.get(LOOKUPS, 0), rank.get(TOKENS, 0)
    mean = tokens / lookups if lookups >= MIN_LOOKUPS else 0
    if capacity and capacity >= mean:
        return
    need = f"a request has {mean:.0f} on average" if capacity else "one chunk needs more"
    yield Finding(
        message=f"max_local_cpu_size ({limit:g} GiB) is enough for {capacity} tokens, and {need}.",
        evidence={
            "max_local_cpu_size": limit,
            "bytes of a chunk": chunk,
            "chunk_size": size,
            "mean tokens of a lookup": round(mean, 1) if mean else "unknown",
        },
    )


trouble = Trouble(
    code="memory-too-small",
    group="mode",
    title="The memory for chunks is smaller than one request",
    severity="error",
    meaning="All chunks of a request have to be in memory at the same time while it is stored or loaded. If "
    "max_local_cpu_size is below that, the last chunks evict the first ones or are not stored, and the same prompt "
    "does not hit completely.",
    confirm="Divide max_local_cpu_size by the fact `memory.chunk_bytes` of `GET /doctor`, and multiply by chunk_size.",
    next_step="Raise max_local_cpu_size, which is in GiB and per worker, and restart the ranks.",
    needs=("config.max_local_cpu_size", "config.chunk_size", "memory.chunk_bytes"),
    roles=("worker",),
    in_rank=find,
)
