"""Ranks compute different hashes for the same chunk."""

from collections.abc import Iterator, Sequence

from .. import Finding, Rank, Trouble
from ..comparisons import ranks_by_value, same


def find(ranks: Sequence[Rank]) -> Iterator[Finding]:
    """Yield a finding if ranks with the same chunk size and hash function disagree about the hash of a chunk."""
    for alike in same(ranks, ("config.chunk_size", "hashing.function")):
        values = ranks_by_value(alike, "hashing.example")
        if len(values) > 1:
            yield Finding(
                message=f"{len(alike)} ranks computed {len(values)} different hashes for the same tokens.",
                evidence={"hash of the same chunk": values},
                ranks=[rank.name for rank in alike],
            )


trouble = Trouble(
    code="chunk-hashes-differ",
    group="hashing",
    title="Ranks compute different keys for the same tokens",
    severity="error",
    meaning="Each rank was asked for the hash of the tokens 0, 1, 2, … up to the chunk size. All ranks of a "
    "deployment must return the same hash. Ranks with different hashes never find the chunks of each other, and the "
    "scheduler reports no hits for chunks that the workers have.",
    confirm="`POST /cache/explain` with the same tokens shows different values of `chunk_hash` on these ranks.",
    next_step="Fix the other findings about hashing first. If there are none, compare the versions of vLLM and "
    "LMCache.",
    reference="LMCache #2979",
    needs=("config.chunk_size", "hashing.function", "hashing.example"),
    roles=("scheduler", "worker"),
    in_fleet=find,
)
