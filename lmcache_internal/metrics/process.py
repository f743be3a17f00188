"""prometheus_client's metrics of the process, read without releasing the GIL.

prometheus_client's `ProcessCollector` opens files and lists a directory. Each step releases the GIL, which takes up to
5 ms if another thread of the engine runs Python without a pause; see `serving/gil_sockets.py`. The kernel has all
values in memory. Therefore this module replaces `collect` of `PROCESS_COLLECTOR`: the same families and values in half
of the time. The collector stays registered and can still be unregistered. If anything is unexpected, prometheus_client
reads the values. To remove this, delete this file and its use in `blueprints/metrics_api.py`.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import sys
from collections.abc import Iterable

from prometheus_client import PROCESS_COLLECTOR, Metric
from prometheus_client.process_collector import ProcessCollector

_NAMES = {
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_cpu_seconds",
    "process_open_fds",
    "process_max_fds",
}

# See open(2), statx(2), and getdents(2) for the header of a directory record.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC
_AT_FDCWD, _STATX_SIZE = -100, 0x200
_SIZE = struct.Struct("=40xQ")
_RECORD_BYTES = struct.Struct("=16xH")
_BUFFER_BYTES = 32_768


def keep_lock() -> None:
    """Replace `collect` of `PROCESS_COLLECTOR` for the whole process, if the platform supports it."""
    if sys.platform == "linux" and hasattr(_libc, "statx") and hasattr(_libc, "getdents64"):
        names = {family.name for family in PROCESS_COLLECTOR.collect()}
        if names == _NAMES:
            PROCESS_COLLECTOR.collect = _collect  # type: ignore[method-assign]  # It stays registered where it is.


def _collect() -> Iterable[Metric]:
    try:
        values = _values()
        return [_with_value(family, values.get(family.name)) for family in _families(os.getpid())]
    except OSError:
        return ProcessCollector.collect(PROCESS_COLLECTOR)


@functools.lru_cache(maxsize=1)
def _families(_pid: int) -> list[Metric]:
    """Return prometheus_client's families; the help texts and the start time of the process do not change."""
    return list(ProcessCollector.collect(PROCESS_COLLECTOR))


def _with_value(family: Metric, value: float | None) -> Metric:
    made = Metric(family.name, family.documentation, family.type)
    for sample in family.samples:
        made.add_sample(sample.name, {}, sample.value if value is None else value)
    return made


def _values() -> dict[str, float]:
    """Return the values that change, by the name of the family."""
    fields = _contents(b"/proc/self/stat").rpartition(b")")[2].split()
    return {
        "process_virtual_memory_bytes": float(fields[20]),
        "process_resident_memory_bytes": float(fields[21]) * resource.getpagesize(),
        "process_cpu_seconds": float(fields[11]) / _TICKS + float(fields[12]) / _TICKS,
        "process_open_fds": float(_open_files()),
        "process_max_fds": float(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    }


def _open_files() -> int:
    """Return the number of open files, including the one that prometheus_client would open to count them.

    Since Linux 6.2, it includes the descriptor that each thread reserves while it is blocked in accept().
    """
    size = _size(b"/proc/self/fd")  # The number of files, since Linux 6.2; counting is slow with many files.
    return size + 1 if size else _entries(b"/proc/self/fd")


def _size(path: bytes) -> int:
    buffer = ctypes.create_string_buffer(256)
    _checked(_libc.statx(_AT_FDCWD, path, 0, _STATX_SIZE, buffer))
    (size,) = _SIZE.unpack_from(buffer)
    return int(size)


def _entries(path: bytes) -> int:
    descriptor = _checked(_libc.open(path, _FLAGS))
    buffer, entries = ctypes.create_string_buffer(_BUFFER_BYTES), -2  # Without "." and "..".
    try:
        while size := _checked(_libc.getdents64(descriptor, buffer, _BUFFER_BYTES)):
            at = 0
            while at < size:
                at += _RECORD_BYTES.unpack_from(buffer, at)[0]
                entries += 1
    finally:
        _libc.close(descriptor)
    return entries


def _contents(path: bytes) -> bytes:
    descriptor = _checked(_libc.open(path, _FLAGS))
    buffer = ctypes.create_string_buffer(_BUFFER_BYTES)
    try:
        return ctypes.string_at(buffer, _checked(_libc.read(descriptor, buffer, _BUFFER_BYTES)))
    finally:
        _libc.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError("a system call failed")
    return result


if sys.platform == "linux":
    import resource

    _TICKS = os.sysconf("SC_CLK_TCK")
    _libc = ctypes.PyDLL(None)
