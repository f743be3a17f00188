"""Remove from a source distribution what depends on the time, the user and the machine of its build.

setuptools uses SOURCE_DATE_EPOCH for wheels only.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path


def normalize(path: Path, epoch: int) -> None:
    """Write a `.tar.gz` again, with sorted members that root owns.

    Args:
        path: the file; it is replaced.
        epoch: the time of all members, in seconds since 1970.
    """
    content = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = epoch
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    path.write_bytes(gzip.compress(content.getvalue(), mtime=epoch))
