"""The directory of a Unix socket: nobody else may replace what is in it, and one process at a time binds there."""

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
"""How long a start waits for the lock. Other starts hold it for less than a millisecond."""

_MAX_LINKS = 40  # As the kernel allows in one path, see path_resolution(7).
_SETTING = "internal_api_server_socket_path_prefix"


def make_trusted(directory: Path) -> None:
    """Make `directory` where it is missing, with mode 0700, and refuse it where another user could tamper with it.

    Each component of the path counts, symbolic links and their targets included: a user who can rename one of them can
    replace the socket. It must belong to root or to the user of this process, and nobody else may write to it, unless
    it has the sticky bit (as /tmp has): there, others can rename only what is theirs.

    Raises:
        ServerStartError: a component belongs to another user, or others may write to it.
        OSError: a component cannot be made or looked at, or is no directory.
    """
    for component in _components(directory.absolute()):
        status = component.lstat()
        if status.st_uid not in (0, os.geteuid()):
            raise ServerStartError(
                f"{component} belongs to uid {status.st_uid}, who could replace the Unix socket; it must belong to "
                f"root or to uid {os.geteuid()}: change its owner, or set {_SETTING} to another directory"
            )
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode) and mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
            raise ServerStartError(
                f"Other users may write to {component} (mode {mode:04o}) and could replace the Unix socket; "
                f"`chmod go-w` it, `chmod +t` it, or set {_SETTING} to another directory"
            )


def _components(path: Path) -> Iterator[Path]:
    """Each component on the way to `path`, made where it is missing; those behind a link come after the link."""
    reached, to_come, links = Path("/"), list(reversed(path.parts)), 0
    while to_come:
        reached = reached / to_come.pop()  # An absolute part, as that of a link, starts again at the root.
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
    """Let one process at a time look for a stale socket and bind its own.

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
            # Closing is not enough: a child that was forked meanwhile has a copy of the descriptor.
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
    """Who holds a lock on the file of that status, as far as /proc tells; see proc_locks(5)."""
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, _, pid, locked_file, *_ = line.split()
            if (kind, locked_file) == ("FLOCK", file):
                return f"Process {pid}{_about(pid)}"
    return "A process that cannot be seen from here"


def _about(pid: str) -> str:
    """Name and user of a process; nothing where it has ended and left the lock to a child."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        return f" ({fields['Name']!r}, uid {fields['Uid'].split()[1]})"
    return ""
