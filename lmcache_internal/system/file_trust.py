"""Check whether other users can change or replace a file, by its mode or by a directory in its path."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection
from pathlib import Path

_MAX_LINKS = 40  # The limit of the kernel for one path: see path_resolution(7).


def tampering_risk(path: Path, status: os.stat_result, also_trusted: Collection[int] = ()) -> str | None:
    """Return the reason why other users can change the content of a file, or None if they cannot.

    Only root and the user of this process are trusted. Every component of the path is checked, including symbolic
    links and their targets. Other users may write to a directory with the sticky bit (such as a Secret volume of
    Kubernetes), because they can rename only their own files there. The private group of the user may write, too.

    Args:
        path: the path with which the file was opened.
        status: the status of the open file.
        also_trusted: further user ids that are trusted.
    """
    trusted = {0, os.geteuid(), *also_trusted}
    if status.st_uid not in trusted:
        return f"it belongs to uid {status.st_uid}"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"other users may write to it (mode {stat.S_IMODE(status.st_mode):04o})"
    if any(_is_replaceable(component, trusted) for component in _components(path.absolute())):
        return "other users may replace it: they own, or may write to, a directory or link in its path"
    return None


def _is_replaceable(component: Path, trusted: Collection[int]) -> bool:
    status = component.lstat()
    if status.st_uid not in trusted:
        return True
    if not stat.S_ISDIR(status.st_mode) or status.st_mode & stat.S_ISVTX:
        return False
    group = status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid)
    return bool(group or status.st_mode & stat.S_IWOTH)


def _is_own_group(gid: int) -> bool:
    """Return whether a group is the private group of the user. With such groups, the default mode is often 0664."""
    import grp  # Here, because the command line imports this module on Windows, too.
    import pwd

    with contextlib.suppress(KeyError):
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
        return gid == user.pw_gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
    return False


def _components(path: Path) -> list[Path]:
    """Return the directories and links in `path`, without the file itself."""
    reached, to_come, found = Path("/"), list(reversed(path.parts)), []
    links = 0
    while to_come:
        reached = reached / to_come.pop()  # An absolute part, such as the target of a link, starts at the root again.
        if reached.name == "..":
            reached = reached.parent.parent
            continue
        found.append(reached)
        if reached.is_symlink() and links < _MAX_LINKS:
            links += 1
            to_come.extend(reversed(reached.readlink().parts))
            reached = reached.parent
    return found[:-1]
