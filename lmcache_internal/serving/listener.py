"""The listening socket: bound so that nobody else's is harmed, with errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from ..address import Address
from ..errors import ServerStartError
from ..locations import ALL_ADDRESSES
from ..system.peer_credentials import peer_of
from ..system.socket_directory import locked, make_trusted

_BACKLOG = 128
_SEND_BUFFER_BYTES = 128 << 10
"""What the kernel keeps of a response for a client; by itself, it would keep megabytes for each."""
_MAX_PATH_BYTES = 107  # sizeof(sockaddr_un.sun_path) - 1 on Linux, see unix(7).


def listen_on(address: Address) -> socket.socket:
    """Return a listening socket for `address`.

    Raises:
        ServerStartError: the port is taken; the directory is not writable, is locked by another process, or other users
            could tamper with it; the path is too long, or taken by a live server or by something that is no socket.
    """
    if address.socket_path:
        return _listen_unix(Path(address.socket_path))
    return _listen_tcp(address.host, address.port)


def remove_socket_file(path: str, identity: tuple[int, int]) -> None:
    """Remove `path` if it is still the file that `identity_of` saw, not a successor's."""
    with contextlib.suppress(OSError):  # It is gone, or its directory is.
        if identity_of(path) == identity:
            os.unlink(path)


def identity_of(path: str) -> tuple[int, int]:
    """Device and inode of the socket file."""
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def _listen_tcp(host: str, port: int) -> socket.socket:
    if host == ALL_ADDRESSES and not socket.has_dualstack_ipv6():
        host = "0.0.0.0"  # noqa: S104  # There is no IPv6, and all addresses are asked for.
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ServerStartError(f"internal_api_server_host {host!r} is no address of this machine: {error}") from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # Its connections inherit it, see tcp(7).
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)  # Likewise.
        if host == ALL_ADDRESSES:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(where)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise ServerStartError(_explain_tcp(error, host, port)) from error
    return listening


def _explain_tcp(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use by another process; "
            "end that one, or set internal_api_server_port_start to a free range"
        )
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this process has; set internal_api_server_port_start above 1023"
    return f"Cannot listen on {host} port {port}: {error.strerror}; check internal_api_server_host"


def _listen_unix(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _MAX_PATH_BYTES:
        raise ServerStartError(
            f"The Unix socket path {path} has {len(os.fsencode(path))} bytes, {_MAX_PATH_BYTES} are allowed; "
            "shorten internal_api_server_socket_path_prefix"
        )
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        make_trusted(path.parent)
        with locked(path.parent):
            _remove_stale(path)
            _bind_private(listening, path)
            listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise ServerStartError(
            f"Cannot listen on the Unix socket {path}: {error.strerror}; check internal_api_server_socket_path_prefix"
        ) from error
    except ServerStartError:
        listening.close()
        raise
    return listening


def _remove_stale(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        what = "is a symbolic link" if stat.S_ISLNK(status.st_mode) else "is no socket"
        raise ServerStartError(f"{path} exists and {what}; move it away or change the socket path prefix")
    _require_dead(path)
    try:
        path.unlink()
    except PermissionError as error:
        raise ServerStartError(
            f"{path} is left over from a process of uid {status.st_uid}, and only that user may remove it; "
            "have it removed, or change the socket path prefix"
        ) from error


def _require_dead(path: Path) -> None:
    """Refuse a socket that a process listens on, or may listen on for all we can see."""
    serves = "Another process"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # Where its backlog is full, it is alive, and there is nothing to wait for.
        try:
            probe.connect(str(path))
            serves = str(peer_of(probe))
        except ConnectionRefusedError:
            return
        except OSError:
            pass  # Busy, or not ours to connect to.
    raise ServerStartError(f"{serves} serves on the Unix socket {path}; end that one first")


def _bind_private(listening: socket.socket, path: Path) -> None:
    """Bind with mode 0600 from the first moment on."""
    try:
        # On Linux, bind() takes the mode from the socket. An umask would work as well, but it
        # is the whole process': a directory that the engine makes meanwhile would be unusable.
        os.fchmod(listening.fileno(), 0o600)
        listening.bind(str(path))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        mask = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(mask)
