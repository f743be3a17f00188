"""Cached prefixes are shorter than min_retrieve_tokens."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble

MIN_LOOKUPS = 10
"""Fewer lookups prove nothing."""
FOUND, LOOKUPS = "metrics.lmcache:num_lookup_hits_total", "metrics.lmcache:num_lookup_requests_total"
LOADED = "metrics.lmcache:num_hit_tokens_total"
IN_VLLM = "metrics.lmcache:num_vllm_hit_tokens_total"


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if lookups find tokens, fewer than min_retrieve_tokens, and none are loaded."""
    least = rank["config.min_retrieve_tokens"] or 0
    lookups, found, loaded = rank[LOOKUPS], rank[FOUND], rank[LOADED]
    if lookups < MIN_LOOKUPS or not found or loaded or rank.get(IN_VLLM, 0):
        return  # Tokens that vLLM has in its own prefix cache are found, and not loaded.
    mean = found / lookups
    if mean < least:
        yield Finding(
            message=f"Lookups find {mean:.0f} tokens on average, fewer than min_retrieve_tokens ({least}), and no "
            "token was loaded.",
            evidence={"min_retrieve_tokens": least, "lookups": lookups, "tokens found": found, "tokens loaded": loaded},
        )


trouble = Trouble(
    code="below-min-retrieve-tokens",
    group="mode",
    title="Cached prefixes are shorter than min_retrieve_tokens",
    severity="warning",
    meaning="If fewer than min_retrieve_tokens would be loaded, LMCache loads none and vLLM computes the tokens. "
    "Tokens that vLLM has in its own prefix cache do not count. Chunks are stored and found, but never used.",
    confirm="`lmcache-internal conf get min_retrieve_tokens` shows the value. The scheduler's log says `need to load: "
    "N < min_retrieve`.",
    next_step="If loading so few tokens is worth it, lower the value: `lmcache-internal conf set "
    "min_retrieve_tokens=0 --all` (POST /conf).",
    reference="LMCache #2484",
    needs=(
        "config.min_retrieve_tokens",
        "metrics.lmcache:num_lookup_requests_total",
        "metrics.lmcache:num_lookup_hits_total",
        "metrics.lmcache:num_hit_tokens_total",
    ),
    roles=("worker",),
    in_rank=find,
)
