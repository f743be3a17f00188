"""The keys of chunks depend on PYTHONHASHSEED, and it is not set."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the keys depend on the seed and each process chooses its own."""
    seed = rank["process.hash_seed"]
    if rank["hashing.depends_on_seed"] and seed in (None, "random"):
        yield Finding(
            message=f"PYTHONHASHSEED is {seed or 'not set'}, and the keys of chunks depend on it "
            f"(hash function {rank['hashing.function']}).",
            evidence={"PYTHONHASHSEED": seed, "hash function": rank["hashing.function"]},
        )


trouble = Trouble(
    code="hash-seed-unset",
    group="hashing",
    title="PYTHONHASHSEED is not set",
    severity="warning",
    meaning="Without PYTHONHASHSEED, each Python process chooses a random seed for `hash()`, and vLLM chooses a "
    "random first hash for prefixes. The same tokens then have different keys in different processes, and after a "
    "restart. Chunks on disk, in a remote storage, or of another process are never found.",
    confirm="`lmcache-internal get /env` shows PYTHONHASHSEED of each rank. The log of LMCache has a warning about it.",
    next_step="Set PYTHONHASHSEED=0 in the environment of all processes before they start, and restart them.",
    reference="LMCache #1095, vllm #42625",
    needs=("process.hash_seed", "hashing.function", "hashing.depends_on_seed"),
    roles=("scheduler", "worker"),
    in_rank=find,
)
