"""Most requests are shorter than a chunk, so they are never cached."""

from collections.abc import Iterator, Mapping

from .. import Finding, Rank, Trouble

MIN_REQUESTS = 20
"""Fewer requests prove nothing."""
HISTOGRAM = "metrics.vllm:request_prompt_tokens_bucket"
REQUESTS, TOKENS = "metrics.lmcache:num_lookup_requests_total", "metrics.lmcache:num_lookup_tokens_total"


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if more than half of the requests have fewer tokens than a chunk."""
    size = rank["config.chunk_size"]
    if rank.get("config.save_unfull_chunk"):
        return
    buckets = rank.get(HISTOGRAM)
    requests, evidence = _counted(buckets, size) if buckets else _estimated(rank[REQUESTS], rank[TOKENS], size)
    if evidence and requests >= MIN_REQUESTS:
        yield Finding(
            message=f"More than half of the requests are shorter than a chunk of {size} tokens.",
            evidence={"chunk_size": size, "requests": requests, **evidence},
        )


def _counted(buckets: Mapping[str, float], size: int) -> tuple[float, dict[str, float]]:
    """Return the requests of vLLM's histogram, and how many are certainly shorter, if these are the majority."""
    total = buckets.get("+Inf", 0.0)
    shorter = max((count for bound, count in buckets.items() if float(bound) < size), default=0.0)
    return total, {"shorter requests": shorter} if 2 * shorter > total else {}


def _estimated(requests: float, tokens: float, size: int) -> tuple[float, dict[str, float]]:
    """Return the number of lookups, and their mean length, if it proves that most are shorter.

    If the mean is below half of a chunk, at most half of the lookups can have the length of a chunk (Markov).
    """
    mean = tokens / requests if requests else size
    return requests, {"mean tokens of a lookup": round(mean, 1)} if 2 * mean < size else {}


trouble = Trouble(
    code="chunk-size-too-large",
    group="shape",
    title="Most requests are shorter than a chunk",
    severity="warning",
    meaning="Only complete chunks are stored and looked up. A prompt that is shorter than chunk_size is never cached, "
    "and of a longer prompt, the tokens after the last complete chunk are not. If most requests are shorter than a "
    "chunk, the hit rate stays near zero, whatever is stored.",
    confirm="Compare chunk_size with the histogram vllm:request_prompt_tokens, or with "
    "lmcache:num_lookup_tokens_total divided by lmcache:num_lookup_requests_total.",
    next_step="Set a chunk_size below the length of the prefixes that requests share, for all ranks, and restart them.",
    reference="LMCache #4094",
    needs=("config.chunk_size", REQUESTS, TOKENS),
    roles=("scheduler", "worker"),
    in_rank=find,
)
