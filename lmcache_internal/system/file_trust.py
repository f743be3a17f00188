"""Whether other users could replace a file, by its own mode or by a directory on the way to it."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from collections.abc import Collection
from pathlib import Path

_MAX_LINKS = 40  # As the kernel allows in one path, see path_resolution(7).


def tampering_risk(path: Path, status: os.stat_result, also_trusted: Collection[int] = ()) -> str | None:
    """Why other users could change the content of a file; None where only root and this process' user can.

    Each component of the path counts, symbolic links and their targets included. The sticky bit of a directory is
    enough (as on a Secret volume of Kubernetes): there, others can rename only what is theirs. So is a group that
    only our user has.

    Args:
        path: the file, as it was opened.
        status: of the file that was opened.
        also_trusted: user ids besides root's and our own.
    """
    trusted = {0, os.geteuid(), *also_trusted}
    if status.st_uid not in trusted:
        return f"it belongs to uid {status.st_uid}"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"other users may write to it (mode {stat.S_IMODE(status.st_mode):04o})"
    if any(_is_replaceable(component, trusted) for component in _components(path.absolute())):
        return "other users may replace it: a directory or link on the way to it is theirs, or they may write to it"
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
    """Whether a group is a user's private one: distributions that make them give files mode 0664 by default."""
    with contextlib.suppress(KeyError):
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
        return gid == user.pw_gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
    return False


def _components(path: Path) -> list[Path]:
    """The directories and links on the way to `path`, without the file itself."""
    reached, to_come, found = Path("/"), list(reversed(path.parts)), []
    links = 0
    while to_come:
        reached = reached / to_come.pop()  # An absolute part, as that of a link, starts again at the root.
        if reached.name == "..":
            reached = reached.parent.parent
            continue
        found.append(reached)
        if reached.is_symlink() and links < _MAX_LINKS:
            links += 1
            to_come.extend(reversed(reached.readlink().parts))
            reached = reached.parent
    return found[:-1]
