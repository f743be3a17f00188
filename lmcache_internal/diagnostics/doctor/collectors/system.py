"""The machine of this process: clock, file descriptors, file systems."""

from __future__ import annotations

import resource
import shutil
import time
from pathlib import Path
from typing import Any

from ....engine.kinds import kind_of
from ...checks import Subject

FIELDS = {
    "time": "the clock, in seconds since the epoch",
    "open_files": "the number of open file descriptors",
    "open_files_limit": "the largest number of open file descriptors",
    "file_systems": "the `total` and `free` bytes of /dev/shm and of the directories of `local_disk`, by path",
}

SHARED_MEMORY = "/dev/shm"  # noqa: S108  # Its size is read; nothing is written.


def collect(subject: Subject) -> dict[str, Any]:
    """Return the facts of the machine."""
    config = None if kind_of(subject.manager) == "mp" else subject.manager.config
    # LMCache accepts several directories, separated by commas.
    directories = str(getattr(config, "local_disk", None) or "").split(",")
    paths = [SHARED_MEMORY, *filter(None, (each.strip().removeprefix("file://") for each in directories))]
    return {
        "time": time.time(),
        "open_files": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "open_files_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "file_systems": {path: _space(path) for path in paths if Path(path).exists()},
    }


def _space(path: str) -> dict[str, int]:
    found = shutil.disk_usage(path)
    return {"total": found.total, "free": found.free}
