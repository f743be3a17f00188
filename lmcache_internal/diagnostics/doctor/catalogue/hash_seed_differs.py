"""The keys of chunks depend on PYTHONHASHSEED, and processes have different ones."""

from collections.abc import Iterator, Sequence

from .. import Finding, Rank, Trouble
from ..comparisons import listed, ranks_by_value


def find(ranks: Sequence[Rank]) -> Iterator[Finding]:
    """Yield a finding if the ranks whose keys depend on the seed do not have the same one."""
    values = ranks_by_value([rank for rank in ranks if rank["hashing.depends_on_seed"]], "process.hash_seed")
    if len(values) > 1:
        yield Finding(
            message=f"The ranks have {len(values)} different values of PYTHONHASHSEED: {listed(values)}. "
            "The values after # are fingerprints.",
            evidence={"PYTHONHASHSEED": values},
            ranks=[name for names in values.values() for name in names],
        )


trouble = Trouble(
    code="hash-seed-differs",
    group="hashing",
    title="PYTHONHASHSEED is not the same in all ranks",
    severity="error",
    meaning="The seed is part of the hash of each chunk: of Python's `hash()`, and of the first hash that vLLM "
    "computes. Ranks with different seeds compute different keys for the same tokens, so no rank finds what another "
    "rank stored.",
    confirm="`lmcache-internal get /env` shows PYTHONHASHSEED of each rank, to callers with role admin.",
    next_step="Set the same PYTHONHASHSEED in the environment of all processes, and restart those that differ.",
    reference="LMCache #1095",
    needs=("process.hash_seed", "hashing.depends_on_seed"),
    roles=("scheduler", "worker"),
    in_fleet=find,
)
