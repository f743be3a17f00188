"""The configured hash function could not be loaded, and Python's hash() is used."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the hash function in use is `builtin`, and another one is configured."""
    configured = rank["config.pre_caching_hash_algorithm"]
    if rank["hashing.function"] == "builtin" != configured:
        yield Finding(
            message=f"pre_caching_hash_algorithm is {configured}, but Python's hash() is used.",
            evidence={"configured": configured, "in use": "builtin"},
        )


trouble = Trouble(
    code="hash-algorithm-fallback",
    group="hashing",
    title="The configured hash function is not in use",
    severity="warning",
    meaning="LMCache loads hash functions from vLLM. If vLLM has no function of the configured name, LMCache logs one "
    "warning and uses Python's `hash()`, which may differ between processes.",
    confirm="The log of LMCache has the line \"Could not load '…' from vLLM. Using builtin hash.\"",
    next_step="Set pre_caching_hash_algorithm to a function that the installed vLLM has, such as sha256_cbor.",
    reference="LMCache #2896",
    needs=("config.pre_caching_hash_algorithm", "hashing.function"),
    roles=("scheduler", "worker"),
    in_rank=find,
)
