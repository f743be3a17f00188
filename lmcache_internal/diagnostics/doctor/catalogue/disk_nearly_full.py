"""A file system that LMCache writes to is nearly full."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble

GIB = 1 << 30
FREE = 0.05
"""The share of free bytes below which this is a trouble."""
LEAST = 20 * GIB
"""Enough free bytes, however small their share is: a disk backend that uses a large disk well leaves few percent."""


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding for each file system with little space."""
    for path, space in rank["system.file_systems"].items():
        if space["total"] and space["free"] < min(FREE * space["total"], LEAST):
            yield Finding(
                message=f"{path} has {space['free'] / GIB:.3g} GiB free of {space['total'] / GIB:.3g} GiB.",
                evidence={"path": path, "free bytes": space["free"], "total bytes": space["total"]},
            )


trouble = Trouble(
    code="disk-nearly-full",
    group="deployment",
    title="A file system is nearly full",
    severity="warning",
    meaning="When the file system of local_disk is full, chunks are not written and the disk backend has fewer hits. "
    "When /dev/shm is full, processes that share memory, such as vLLM's workers and LMCache's MP server, fail or do "
    "not start.",
    confirm="Run `df -h` with the path on the host, or in the container.",
    next_step="Free space, lower max_local_disk_size below the free space, or raise the size of /dev/shm (--shm-size, "
    "or an emptyDir with medium Memory).",
    needs=("system.file_systems",),
    in_rank=find,
)
