"""Ranks run on different versions of Python."""

from .. import Trouble, differs

trouble = Trouble(
    code="python-version-differs",
    group="hashing",
    title="The version of Python is not the same in all ranks",
    severity="warning",
    meaning="Python does not promise that `hash()` returns the same in two versions: the hash of None is an address "
    "before Python 3.12, and a constant since. With the hash function `builtin`, the ranks may compute different keys.",
    confirm="`lmcache-internal doctor --json` has `process.python` among the facts of each rank.",
    next_step="Run all ranks on the same version of Python, from the same image.",
    needs=("process.python",),
    in_fleet=differs("process.python", "versions of Python"),
)
