"""The directory of a Unix socket: other users cannot replace its files, and one process at a time binds there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import ServerStartError

LOCK_SECONDS = 2.0
"""Timeout for the lock. Another start holds it for less than a millisecond."""

_MAX_LINKS = 40  # The kernel's limit for one path, see path_resolution(7).
_SETTING = "internal_api_server_socket_path_prefix"


def make_trusted(directory: Path) -> None:
    """Create `directory` with mode 0700 if it is missing, and refuse it if another user could replace the socket.

    Each component of the path is checked, including symbolic links and their targets, because a user who can rename a
    component can replace the socket. Each component must belong to root or to the user of this process, and other users
    must not have write permission. A directory with the sticky bit (such as /tmp) is allowed, because there other users
    can rename only their own files.

    Raises:
        ServerStartError: a component belongs to another user, or other users may write to it.
        OSError: a component cannot be created or read, or is not a directory.
    """
    for component in _components(directory.absolute()):
        status = component.lstat()
        if status.st_uid not in (0, os.geteuid()):
            raise ServerStartError(
                f"{component} belongs to uid {status.st_uid}, which could replace the Unix socket; it must belong to "
                f"root or to uid {os.geteuid()}: change its owner, or set {_SETTING} to another directory"
            )
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode) and mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
            raise ServerStartError(
                f"Other users may write to {component} (mode {mode:04o}) and could replace the Unix socket; "
                f"`chmod go-w` it, `chmod +t` it, or set {_SETTING} to another directory"
            )


def _components(path: Path) -> Iterator[Path]:
    """Yield each component of `path`, created if it is missing; the target of a link follows the link."""
    reached, to_come, links = Path("/"), list(reversed(path.parts)), 0
    while to_come:
        reached = reached / to_come.pop()  # An absolute part, such as the target of a link, starts at the root again.
        if reached.name == "..":
            reached = reached.parent.parent
            continue
        with contextlib.suppress(FileExistsError):
            reached.mkdir(mode=0o700)
        yield reached
        mode = reached.lstat().st_mode
        if stat.S_ISLNK(mode):
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            to_come.extend(reversed(reached.readlink().parts))
            reached = reached.parent
        elif not stat.S_ISDIR(mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Allow one process at a time to remove a stale socket and bind a new one.

    Raises:
        ServerStartError: another process holds the lock for longer than `LOCK_SECONDS`; the message names it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        until = time.monotonic() + LOCK_SECONDS
        while not _try_lock(descriptor):
            if time.monotonic() > until:
                raise ServerStartError(
                    f"{_holder(os.fstat(descriptor))} has held the lock on {directory} for {LOCK_SECONDS:g} s; "
                    f"end it, or set {_SETTING} to a directory that other users cannot open"
                )
            time.sleep(0.01)
        try:
            yield
        finally:
            # Closing is not enough, because a child that was forked during the block has a copy of the descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(status: os.stat_result) -> str:
    """Return the process that holds the lock on a file, as far as /proc shows it; see proc_locks(5)."""
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, _, pid, locked_file, *_ = line.split()
            if (kind, locked_file) == ("FLOCK", file):
                return f"Process {pid}{_about(pid)}"
    return "A process that is not visible here"


def _about(pid: str) -> str:
    """Return name and user of a process; empty if it has ended and a child holds the lock."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        return f" ({fields['Name']!r}, uid {fields['Uid'].split()[1]})"
    return ""
