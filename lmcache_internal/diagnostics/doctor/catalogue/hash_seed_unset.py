"""The keys of chunks depend on PYTHONHASHSEED, and it is not set."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble

OUTLIVES = ("local_disk", "remote_url", "enable_pd", "enable_p2p")
"""Configuration keys with which chunks outlive the process, or other processes read them."""


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the keys depend on the seed and each process chooses its own."""
    seed, world_size = rank["process.hash_seed"], rank["metadata.world_size"]
    outlives = [key for key in OUTLIVES if rank.get(f"config.{key}")]
    if rank["hashing.depends_on_seed"] and seed in (None, "random"):
        yield Finding(
            message=f"PYTHONHASHSEED is {seed or 'not set'}, and the keys of chunks depend on it "
            f"(hash function {rank['hashing.function']}).",
            evidence={
                "PYTHONHASHSEED": seed,
                "hash function": rank["hashing.function"],
                "world size": world_size,
                "chunks outside of the process": outlives,
            },
            severity=None if outlives or world_size > 1 else "notice",
        )


trouble = Trouble(
    code="hash-seed-unset",
    group="hashing",
    title="PYTHONHASHSEED is not set",
    severity="warning",
    meaning="Without PYTHONHASHSEED, each Python process chooses a random seed for `hash()`, and vLLM chooses a "
    "random first hash for prefixes. The same tokens then have different keys in different processes, and after a "
    "restart. Chunks on disk, in a remote storage, or of another process are never found. It is a notice if the world "
    "size is 1 and no storage outlives the process.",
    confirm="`lmcache-internal get /env` shows PYTHONHASHSEED of each rank. The log of LMCache has a warning about it.",
    next_step="Set PYTHONHASHSEED to the same number, such as 0, in the environment of all processes, and restart "
    "them.",
    reference="LMCache #1095, vllm #42625",
    needs=("process.hash_seed", "hashing.function", "hashing.depends_on_seed", "metadata.world_size"),
    roles=("scheduler", "worker"),
    in_rank=find,
)
