"""The listening socket. It never replaces a live server's socket, and its errors say what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from ..errors import ServerStartError
from ..settings.address import Address
from ..settings.locations import ALL_ADDRESSES
from ..system.peer_credentials import peer_of
from ..system.socket_directory import locked, make_trusted

_SEND_BUFFER_BYTES = 128 << 10
"""Size of the kernel's send buffer. Without this limit, the kernel holds megabytes for each client."""
_MAX_PATH_BYTES = 107  # sizeof(sockaddr_un.sun_path) - 1 on Linux, see unix(7).


def listen_on(address: Address) -> socket.socket:
    """Return a listening socket for `address`.

    Raises:
        ServerStartError: the port is in use; the directory is not writable, is locked by another process, or can be
            changed by other users; the path is too long, or is used by a live server or by a file that is not a socket.
    """
    if address.socket_path:
        return _listen_unix(Path(address.socket_path))
    return _listen_tcp(address.host, address.port)


def remove_socket_file(path: str, identity: tuple[int, int]) -> None:
    """Remove `path` if it is the file with this identity, and not the socket of another server."""
    with contextlib.suppress(OSError):  # The file or its directory no longer exists.
        if identity_of(path) == identity:
            os.unlink(path)


def identity_of(path: str) -> tuple[int, int]:
    """Return device and inode of the socket file."""
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def _listen_tcp(host: str, port: int) -> socket.socket:
    if host == ALL_ADDRESSES and not socket.has_dualstack_ipv6():
        host = "0.0.0.0"  # noqa: S104  # Without IPv6, all IPv4 addresses.
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ServerStartError(f"internal_api_server_host {host!r} cannot be resolved: {error}") from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # Accepted connections inherit it, see tcp(7).
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)  # Inherited too.
        if host == ALL_ADDRESSES:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(where)
        listening.listen()
    except OSError as error:
        listening.close()
        raise ServerStartError(_explain_tcp(error, host, port)) from error
    return listening


def _explain_tcp(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use by another process; "
            "end that process, or set internal_api_server_port_start to a free range"
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
            listening.listen()
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
        what = "is a symbolic link" if stat.S_ISLNK(status.st_mode) else "is not a socket"
        raise ServerStartError(f"{path} exists and {what}; move it away or change the socket path prefix")
    _require_stale(path)
    try:
        path.unlink()
    except PermissionError as error:
        raise ServerStartError(
            f"{path} is left over from a process of uid {status.st_uid}, and only that user may remove it; "
            "ask that user to remove it, or change the socket path prefix"
        ) from error


def _require_stale(path: Path) -> None:
    """Refuse a socket that a process listens on or may listen on."""
    serves = "Another process"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # A full backlog means that the server is alive, so there is no need to wait.
        try:
            probe.connect(str(path))
            serves = str(peer_of(probe))
        except ConnectionRefusedError:
            return
        except OSError:
            pass  # The server is busy, or this process may not connect to it.
    raise ServerStartError(f"{serves} listens on the Unix socket {path}; end that process first")


def _bind_private(listening: socket.socket, path: Path) -> None:
    """Bind with mode 0600 from the start."""
    try:
        # On Linux, bind() takes the mode from the socket. A umask would work too, but it applies to the whole
        # process: a directory that the engine creates at that moment would be unusable.
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
