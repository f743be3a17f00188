"""The process is about to run out of file descriptors."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble

USED = 0.8
"""The share of the limit from which on this is a trouble."""


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if most file descriptors are in use."""
    open_files, limit = rank["system.open_files"], rank["system.open_files_limit"]
    if limit > 0 and open_files > USED * limit:
        yield Finding(
            message=f"{open_files} of {limit} file descriptors are open.",
            evidence={"open files": open_files, "limit": limit},
        )


trouble = Trouble(
    code="few-file-descriptors",
    group="deployment",
    title="Few file descriptors are left",
    severity="warning",
    meaning="At the limit, the process can open no file and accept no connection: chunks are not written to disk, "
    "remote storages lose their connections, and vLLM fails with `Too many open files`.",
    confirm="`ls /proc/PID/fd | wc -l`, and the line `Max open files` of /proc/PID/limits.",
    next_step="Raise the limit of the process (ulimit -n, LimitNOFILE, or the limits of the container runtime), and "
    "restart it.",
    needs=(
        "system.open_files",
        "system.open_files_limit",
    ),
    in_rank=find,
)
