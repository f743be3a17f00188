"""Ranks run on different versions of Python."""

from collections.abc import Iterator, Sequence

from .. import Finding, Rank, Trouble
from ..comparisons import listed, ranks_by_value


def find(ranks: Sequence[Rank]) -> Iterator[Finding]:
    """Yield a finding if the versions differ; a notice if they are patch releases of one version."""
    values = ranks_by_value(ranks, "process.python")
    if len(values) > 1:
        minors = {tuple(version.split(".")[:2]) for version in values}
        yield Finding(
            message=f"The ranks have {len(values)} different versions of Python: {listed(values)}.",
            evidence={"process.python": values},
            severity="notice" if len(minors) == 1 else None,
        )


trouble = Trouble(
    code="python-version-differs",
    group="hashing",
    title="The version of Python is not the same in all ranks",
    severity="warning",
    meaning="Python does not promise that `hash()` returns the same in two versions: the hash of None is an address "
    "before Python 3.12, and a constant since. With the hash function `builtin`, the ranks may compute different keys. "
    "It is a notice if only the patch release differs, such as 3.12.3 and 3.12.4.",
    confirm="`lmcache-internal doctor --json` has `process.python` among the facts of each rank.",
    next_step="Run all ranks on the same version of Python, from the same image.",
    needs=("process.python",),
    in_fleet=find,
)
