"""gzip without giving the interpreter's lock away.

Python's own gives it away while it compresses. Prometheus always asks for gzip, and beside an engine thread that
runs Python without a pause the lock would be back after 5 ms, where the 30 KB of a scrape are compressed in 0.2 ms;
see `unyielding.py`. `python -m benchmarks spinning_engine` measures what it is worth. To remove it, delete this file
and call `gzip.compress` in `exposition.py`.
"""

from __future__ import annotations

import ctypes
import gzip
import struct
import sys

_LONG_BYTES = 100_000
"""What takes a millisecond and more; there, others may have the lock meanwhile."""
_FASTEST = 1
_HEAD = struct.pack("<4BI2B", 0x1F, 0x8B, 8, 0, 0, 4, 255)  # RFC 1952: deflated, no date, fastest, unknown system.
_TAIL = struct.Struct("<2I")  # CRC-32 and size.
_ZLIB_HEAD_BYTES, _ZLIB_TAIL_BYTES = 2, 4  # RFC 1950, which compress2() writes.


def gzipped(data: bytes) -> bytes:
    """`data` in gzip's format."""
    if _libz is None or len(data) > _LONG_BYTES:
        # With a date, Python would compress in several steps, and give the lock away in each.
        return gzip.compress(data, compresslevel=_FASTEST, mtime=0)
    size = ctypes.c_ulong(_libz.compressBound(len(data)))
    buffer = ctypes.create_string_buffer(size.value)
    if _libz.compress2(buffer, ctypes.byref(size), data, len(data), _FASTEST):
        raise MemoryError(f"zlib cannot compress {len(data)} bytes")
    deflated = ctypes.string_at(buffer, size.value)[_ZLIB_HEAD_BYTES:-_ZLIB_TAIL_BYTES]
    return _HEAD + deflated + _TAIL.pack(_libz.crc32(0, data, len(data)), len(data) & 0xFFFFFFFF)


def _load() -> ctypes.PyDLL | None:
    if sys.platform != "linux":
        return None
    try:
        library = ctypes.PyDLL("libz.so.1")  # Python's own module need not export its functions.
        for function in (library.compressBound, library.crc32, library.compress2):
            function.restype = ctypes.c_ulong
    except (OSError, AttributeError):
        return None
    library.compressBound.argtypes = (ctypes.c_ulong,)
    library.crc32.argtypes = (ctypes.c_ulong, ctypes.c_char_p, ctypes.c_uint)
    library.compress2.argtypes = (
        *(ctypes.c_char_p, ctypes.POINTER(ctypes.c_ulong)),
        *(ctypes.c_char_p, ctypes.c_ulong, ctypes.c_int),
    )
    library.compress2.restype = ctypes.c_int
    return library


_libz = _load()
