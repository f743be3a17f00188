"""Over a Unix socket, a token is sent only to a server of a user that is trusted with it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli import main
from tests.support import eventually, make_manager, server_values

STRANGER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can listen as another user")
TOKEN = "lmci_of_the_test"
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n""'


class Listener:
    """Answers every request on a Unix socket, as the user that listened there.

    Attributes:
        path: the socket.
        received: what each connection sent.
    """

    def __init__(self, directory: Path, uid: int) -> None:
        self.path = directory / "socket"
        self.received: list[bytes] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        try:
            os.seteuid(uid)
            self._listening.listen()  # The kernel keeps who did this.
        finally:
            os.seteuid(0)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                received = connection.recv(65536)
                self.received.append(received)
                if received:
                    connection.sendall(ANSWER)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()


@pytest.fixture
def stranger() -> Iterator[Listener]:
    with TemporaryDirectory() as directory:
        listener = Listener(Path(directory), STRANGER)
        yield listener
        listener.close()


def get(path: object, *options: str, token: str = TOKEN) -> Result:
    variables = {"LMCACHE_INTERNAL_TOKEN": token} if token else {}
    return CliRunner().invoke(main, ["get", "/lmc_version", "--socket", str(path), *options], env=variables)


@needs_root
def test_a_server_of_another_user_gets_no_token_and_not_a_byte(stranger: Listener) -> None:
    result = get(stranger.path)
    assert result.exit_code == 1
    assert f"the token was not sent: the server on this socket runs as uid {STRANGER} (process " in result.stderr
    assert f"--peer-user {STRANGER}" in result.stderr
    assert TOKEN not in result.output
    assert eventually(lambda: stranger.received == [b""])


@needs_root
@pytest.mark.parametrize(
    "command", [["status"], ["loglevel", "lmcache", "DEBUG"], ["bundle", "-o", "bundle.zip"], ["threads"]]
)
def test_whatever_the_command(stranger: Listener, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stranger.path.parent)
    CliRunner().invoke(main, [*command, "--socket", str(stranger.path)], env={"LMCACHE_INTERNAL_TOKEN": TOKEN})
    assert eventually(lambda: stranger.received != [])
    assert set(stranger.received) == {b""}


@needs_root
@pytest.mark.parametrize("users", [[str(STRANGER)], ["nobody", str(STRANGER)]])
def test_a_user_who_is_named_is_trusted(stranger: Listener, users: list[str]) -> None:
    result = get(stranger.path, *(part for user in users for part in ("--peer-user", user)))
    assert result.exit_code == 0, result.output
    assert f"Authorization: Bearer {TOKEN}".encode() in stranger.received[0]


@needs_root
def test_another_name_is_not_enough(stranger: Listener) -> None:
    assert get(stranger.path, "--peer-user", "nobody").exit_code == 1
    assert eventually(lambda: stranger.received == [b""])


@needs_root
def test_without_a_token_there_is_nothing_to_keep(stranger: Listener) -> None:
    assert get(stranger.path, token="").exit_code == 0


@needs_root
def test_root_is_trusted_by_everybody() -> None:
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        listener = Listener(Path(directory), 0)
        listener.path.chmod(0o777)
        try:
            os.seteuid(STRANGER)
            result = get(listener.path)
        finally:
            os.seteuid(0)
            listener.close()
        assert result.exit_code == 0, result.output
        assert f"Authorization: Bearer {TOKEN}".encode() in listener.received[0]


def test_our_own_server_is_sent_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMCACHE_INTERNAL_API_SERVER_TOKEN", TOKEN)  # The server reads it; the command falls back to it.
    with make_manager(**server_values("unix", tmp_path)) as manager, InternalAPIServer(manager) as server:
        assert get(server.socket_path).exit_code == 0
        assert "HTTP 401: the token is refused" in get(server.socket_path, token="lmci_wrong").stderr


def test_a_user_that_nobody_is_is_refused(tmp_path: Path) -> None:
    result = get(tmp_path / "socket", "--peer-user", "nobody-of-that-name")
    assert result.exit_code == 1
    assert "There is no user 'nobody-of-that-name' on this machine" in result.stderr
