"""Python's hash of None is part of the keys of chunks, and is not the same in all processes."""

from collections.abc import Iterator, Sequence

from .. import Finding, Rank, Trouble
from ..comparisons import listed, ranks_by_value, same

ALIKE = ("config.chunk_size", "hashing.function", "process.string_hash")
"""Ranks in which these are equal must compute the same keys."""


def find(ranks: Sequence[Rank]) -> Iterator[Finding]:
    """Yield a finding if ranks with the same seed disagree about None and about the keys."""
    for alike in same([rank for rank in ranks if rank["hashing.function"] == "builtin"], ALIKE):
        none, keys = ranks_by_value(alike, "process.none_hash"), ranks_by_value(alike, "hashing.example")
        if len(none) > 1 and len(keys) > 1:
            yield Finding(
                message=f"The hash of None has {len(none)} values in ranks with the same seed: {listed(none)}.",
                evidence={
                    "hash of None": none,
                    "hash of the same chunk": keys,
                    "Python": ranks_by_value(alike, "process.python"),
                },
                ranks=[rank.name for rank in alike],
            )


trouble = Trouble(
    code="none-hash-differs",
    group="hashing",
    title="Python's hash of None is not the same in all ranks",
    severity="error",
    meaning="With the hash function `builtin`, vLLM and older versions of LMCache hash None as a part of each chunk. "
    "Before Python 3.12, the hash of None is its address, which is not the same in each process, whatever "
    "PYTHONHASHSEED is. The same tokens then have different keys.",
    confirm="`lmcache-internal script run FILE --all` shows the value of each rank, if the file has the line "
    "`result = hash(None)`.",
    next_step="Update LMCache to 0.5.6 or later, set pre_caching_hash_algorithm to sha256_cbor, or run all ranks on "
    "Python 3.12 or later.",
    reference="LMCache #2511, LMCache #2136",
    needs=(*ALIKE, "process.none_hash", "process.python", "hashing.example"),
    roles=("scheduler", "worker"),
    in_fleet=find,
)
