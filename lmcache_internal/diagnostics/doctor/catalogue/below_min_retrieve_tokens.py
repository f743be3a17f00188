"""The cached prefix is shorter than min_retrieve_tokens."""

from .. import Trouble

trouble = Trouble(
    code="below-min-retrieve-tokens",
    group="prompt",
    title="The cached prefix is shorter than min_retrieve_tokens",
    severity="notice",
    meaning="If fewer tokens would be loaded than min_retrieve_tokens, nothing is loaded, and the inference "
    "engine computes them. In LMCache, vLLM's connector decides this, and does not count tokens that "
    "vLLM's own prefix cache has.",
    confirm="The scheduler's log has the line `skip retrieve but record for save skip`. `lmcache-internal conf "
    "get min_retrieve_tokens` shows the limit.",
    next_step="Lower min_retrieve_tokens with POST /conf, if loading so few tokens is worth it.",
    reference="LMCache #2484",
    roles=("worker",),
)
