"""The directory of the Unix socket: other users can neither delay the start nor replace the socket."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lmcache_internal.errors import ServerStartError
from lmcache_internal.serving.listener import listen_on
from lmcache_internal.settings.address import Address
from lmcache_internal.system import socket_directory

STRANGER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")

HOLD = """
import fcntl, os, sys
if sys.argv[2:]:
    os.setuid(int(sys.argv[2]))
directory = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(directory, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""
LISTEN = """
import socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen(0)
print("listening", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A directory that other users can open, unlike pytest's own."""
    closed = [directory for directory in (tmp_path, *tmp_path.parents) if not directory.stat().st_mode & stat.S_IXOTH]
    modes = [directory.stat().st_mode for directory in closed]
    for directory in closed:
        directory.chmod(0o755)
    yield tmp_path
    for directory, mode in zip(closed, modes, strict=True):
        directory.chmod(mode)


@contextmanager
def other_process(source: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that has printed its first line; end it after the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
        process.stdin.close()


def listen(path: Path) -> socket.socket:
    return listen_on(Address(1, "127.0.0.1", 7000, str(path)))


def refusal(path: Path) -> str:
    with pytest.raises(ServerStartError) as raised:
        listen(path)
    message = str(raised.value)
    assert "\n" not in message
    return message


def assert_listens(path: Path) -> None:
    with listen(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    path.unlink()


@pytest.mark.parametrize("reason", [errno.EINVAL, errno.EPERM])
def test_where_a_socket_has_no_mode_the_umask_makes_it_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def without_mode(*_arguments: int) -> None:
        raise OSError(reason, os.strerror(reason))

    path = tmp_path / "socket"
    mask = os.umask(0o022)
    try:
        monkeypatch.setattr(os, "fchmod", without_mode)
        if reason == errno.EINVAL:
            with listen(path):
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
        else:
            assert os.strerror(reason) in refusal(path)
            assert not path.exists()
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(mask)


class TestLock:
    @pytest.mark.parametrize("uid", [os.geteuid(), pytest.param(STRANGER, marks=needs_root)])
    def test_a_process_that_keeps_the_lock_delays_the_start_until_the_timeout_and_is_named(
        self, shared: Path, uid: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket_directory, "LOCK_SECONDS", 0.2)
        with other_process(HOLD, shared, uid) as holder:
            began = time.monotonic()
            message = refusal(shared / "socket")
            assert 0.2 <= time.monotonic() - began < 10  # The holder keeps it until it is ended.
        assert re.match(rf"Process {holder.pid} \('python[\d.]*', uid {uid}\) has held the lock on {shared} ", message)
        assert "internal_api_server_socket_path_prefix" in message
        assert list(shared.iterdir()) == []
        assert_listens(shared / "socket")

    def test_a_lock_that_is_released_in_time_is_waited_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket_directory, "LOCK_SECONDS", 30.0)
        with other_process(HOLD, tmp_path) as holder:
            assert holder.stdin is not None
            threading.Timer(0.1, holder.stdin.close).start()
            assert_listens(tmp_path / "socket")
            assert holder.stdin.closed

    def test_a_child_that_is_forked_in_the_block_does_not_keep_the_lock(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        children: list[int] = []
        reading, writing = os.pipe()
        chmod = os.fchmod

        def fork(*arguments: int) -> None:  # Called while the lock is held.
            chmod(*arguments)
            child = os.fork()
            if not child:
                os.close(writing)
                os.read(reading, 1)
                os._exit(0)
            children.append(child)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fchmod", fork)
            listen(tmp_path / "one").close()
        assert_listens(tmp_path / "two")
        os.close(writing)
        os.close(reading)
        os.waitpid(children[0], 0)

    def test_a_process_that_proc_does_not_list_is_reported_as_not_visible(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = Path.read_text

        def unreadable(path: Path, *arguments: str, **options: str) -> str:
            if str(path).startswith("/proc/"):
                raise PermissionError(13, "Permission denied")
            return real(path, *arguments, **options)

        monkeypatch.setattr(Path, "read_text", unreadable)
        monkeypatch.setattr(socket_directory, "LOCK_SECONDS", 0.1)
        with other_process(HOLD, tmp_path):
            assert refusal(tmp_path / "socket").startswith("A process that is not visible here has held the lock")

    def test_a_busy_server_does_not_delay_the_start(self, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        with other_process(LISTEN, path), socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as full:
            first.connect(str(path))
            full.setblocking(False)
            with pytest.raises(BlockingIOError):
                full.connect(str(path))  # Its backlog is full now.
            began = time.monotonic()
            assert refusal(path).startswith("Another process listens on the Unix socket")
            assert time.monotonic() - began < socket_directory.LOCK_SECONDS

    def test_the_server_that_listens_there_is_named(self, tmp_path: Path) -> None:
        with other_process(LISTEN, tmp_path / "socket") as server:
            assert refusal(tmp_path / "socket").startswith(
                f"Process {server.pid} of uid {os.geteuid()} listens on the Unix socket"
            )


class TestDirectory:
    @pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o720, 0o702, 0o2775])
    @pytest.mark.parametrize("depth", [0, 1, 2])
    def test_a_directory_that_other_users_may_write_to_is_refused_and_so_are_its_parents(
        self, tmp_path: Path, mode: int, depth: int
    ) -> None:
        open_directory = tmp_path / "open"
        open_directory.mkdir()
        open_directory.chmod(mode)
        directory = open_directory.joinpath(*["below"] * depth)
        message = refusal(directory / "socket")
        assert message.startswith(f"Other users may write to {open_directory} (mode {mode:04o}) ")
        assert "chmod go-w" in message
        assert list(open_directory.iterdir()) == []
        open_directory.chmod(mode & ~0o022)
        assert_listens(directory / "socket")

    @pytest.mark.parametrize("mode", [0o1777, 0o1770, 0o755, 0o700, 0o500])
    @pytest.mark.parametrize("below", ["socket", "ours/socket", "ours/again/socket"])
    def test_a_sticky_directory_and_a_private_one_are_accepted(self, tmp_path: Path, mode: int, below: str) -> None:
        if mode == 0o500 and os.geteuid() != 0:
            pytest.skip("nobody but root may write there")
        parent = tmp_path / "parent"
        parent.mkdir()
        parent.chmod(mode)
        assert_listens(parent / below)

    @needs_root
    @pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
    @pytest.mark.parametrize("depth", [0, 1])
    def test_a_directory_of_another_user_is_refused_and_so_are_its_parents(
        self, tmp_path: Path, mode: int, depth: int
    ) -> None:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        theirs.chmod(mode)
        os.chown(theirs, STRANGER, STRANGER)
        message = refusal(theirs.joinpath(*["below"] * depth) / "socket")
        assert message.startswith(f"{theirs} belongs to uid {STRANGER}, ")
        assert "root or to uid 0" in message
        assert list(theirs.iterdir()) == []

    @needs_root
    def test_a_directory_of_root_is_accepted_for_other_users(self, shared: Path) -> None:
        (shared / "ours").mkdir()
        os.chown(shared / "ours", STRANGER, STRANGER)
        try:
            os.seteuid(STRANGER)
            assert_listens(shared / "ours" / "socket")
        finally:
            os.seteuid(0)

    def test_the_documented_example_works_with_a_missing_directory_and_with_our_own(self) -> None:
        directory = Path(f"/tmp/lmcache_internal_api_server_{os.getpid()}")
        assert not directory.exists()
        try:
            for _ in range(2):
                assert_listens(directory / "socket_7000")
                assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        finally:
            directory.rmdir()

    def test_missing_parents_are_created_private_whatever_the_umask(self, tmp_path: Path) -> None:
        mask = os.umask(0)
        try:
            assert_listens(tmp_path / "a" / "b" / "socket")
        finally:
            os.umask(mask)
        assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b")] == [0o700, 0o700]

    def test_a_relative_path_is_checked_from_the_root(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "working").mkdir()
        monkeypatch.chdir(tmp_path / "working")
        assert_listens(Path("api/socket"))
        assert_listens(Path("../socket"))
        tmp_path.chmod(0o777)
        assert refusal(Path("api/socket")).startswith(f"Other users may write to {tmp_path} ")


class TestLinks:
    def test_our_own_link_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        (tmp_path / "far").symlink_to(tmp_path / "link" / ".." / "link")
        assert_listens(tmp_path / "far" / "socket")

    def test_the_target_of_a_link_is_checked(self, tmp_path: Path) -> None:
        (tmp_path / "open").mkdir()
        (tmp_path / "open" / "ours").mkdir()
        (tmp_path / "open").chmod(0o777)
        (tmp_path / "link").symlink_to(tmp_path / "open" / "ours")
        (tmp_path / "second").symlink_to("link")
        for name in ("link", "second"):
            assert refusal(tmp_path / name / "socket").startswith(f"Other users may write to {tmp_path / 'open'} ")

    @needs_root
    def test_a_link_of_another_user_is_refused_whatever_its_target(self, tmp_path: Path) -> None:
        (tmp_path / "ours").mkdir()
        (tmp_path / "sticky").mkdir()
        (tmp_path / "sticky").chmod(0o1777)
        link = tmp_path / "sticky" / "link"
        link.symlink_to(tmp_path / "ours")
        os.lchown(link, STRANGER, STRANGER)
        assert refusal(link / "socket").startswith(f"{link} belongs to uid {STRANGER}, ")
        assert refusal(link / "below" / "socket").startswith(f"{link} belongs to uid {STRANGER}, ")
        assert list((tmp_path / "ours").iterdir()) == []

    @pytest.mark.parametrize("target", ["nowhere", "file", "elsewhere_7000"])
    def test_a_link_at_the_socket_path_is_kept_and_refused(self, tmp_path: Path, target: str) -> None:
        (tmp_path / "file").write_text("precious")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "elsewhere_7000"))
        link = tmp_path / "socket_7000"
        link.symlink_to(target)
        assert "is a symbolic link" in refusal(link)
        assert link.is_symlink()
        assert (tmp_path / "file").read_text() == "precious"
        assert (tmp_path / "elsewhere_7000").is_socket()

    def test_a_circular_link_is_one_clear_error(self, tmp_path: Path) -> None:
        (tmp_path / "one").symlink_to("two")
        (tmp_path / "two").symlink_to("one")
        assert "Too many levels of symbolic links" in refusal(tmp_path / "one" / "socket")


@needs_root
def test_a_socket_file_that_only_its_owner_may_remove_is_one_clear_error(shared: Path) -> None:
    sticky = shared / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(sticky / "socket"))
    (sticky / "socket").chmod(0o777)
    try:
        os.seteuid(STRANGER)
        message = refusal(sticky / "socket")
    finally:
        os.seteuid(0)
    assert message.startswith(
        f"{sticky / 'socket'} is left over from a process of uid 0, and only that user may remove"
    )
