"""vLLM's own prefix cache has most tokens, so LMCache loads few."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble

IN_VLLM, PROMPTS = "metrics.lmcache:num_vllm_hit_tokens_total", "metrics.lmcache:num_prompt_tokens_total"
LOADED = "metrics.lmcache:num_hit_tokens_total"
MIN_TOKENS = 1000
"""Fewer tokens of prompts prove nothing."""


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if vLLM had at least half of the tokens of all prompts, and LMCache loaded few."""
    in_vllm, prompts, loaded = rank[IN_VLLM], rank[PROMPTS], rank[LOADED]
    if prompts >= MIN_TOKENS and in_vllm >= prompts / 2 and loaded < in_vllm / 10:
        yield Finding(
            message=f"vLLM had {in_vllm:.0f} of {prompts:.0f} prompt tokens in its own prefix cache, so LMCache "
            f"loaded only {loaded:.0f}.",
            evidence={"tokens in vLLM": in_vllm, "prompt tokens": prompts, "tokens loaded": loaded},
        )


trouble = Trouble(
    code="vllm-prefix-cache-hits",
    group="metrics",
    title="vLLM's own prefix cache has the hits",
    severity="notice",
    meaning="vLLM asks LMCache only for tokens that are not in the prefix cache of its GPU memory. If that has most "
    "of them, LMCache loads few, and its hit rate is low although nothing is wrong. The log then says `need to load: "
    "0`.",
    confirm="Compare vllm:prefix_cache_hits_total with lmcache:num_hit_tokens_total.",
    next_step="Nothing is wrong. To test LMCache alone, start vLLM with --no-enable-prefix-caching.",
    needs=(
        "metrics.lmcache:num_vllm_hit_tokens_total",
        "metrics.lmcache:num_prompt_tokens_total",
        "metrics.lmcache:num_hit_tokens_total",
    ),
    roles=("worker",),
    in_rank=find,
)
