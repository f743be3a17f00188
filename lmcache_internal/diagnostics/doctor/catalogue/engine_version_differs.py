"""Ranks run different versions of LMCache."""

from .. import Trouble, differs

trouble = Trouble(
    code="engine-version-differs",
    group="hashing",
    title="The version of LMCache is not the same in all ranks",
    severity="warning",
    meaning="Versions of LMCache differ in how they compute keys, in the messages between scheduler and workers, and "
    "in the format of chunks on disk and in remote storages. Ranks with different versions may not find, or may not "
    "be able to read, what others stored.",
    confirm="`lmcache-internal status` shows the version of each rank.",
    next_step="Install the same version of LMCache for all ranks, and restart those that differ.",
    needs=("versions.lmcache",),
    in_fleet=differs("versions.lmcache", "versions of LMCache"),
)
