"""Detect changed plugin files, for `serve --reload`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_MOST_FILES = 1000
_SETTLED_SECONDS = 0.1

Stamp = tuple[int, int, int]


class PluginFiles:
    """The Python files in the plugin directories, and in their packages.

    Args:
        directories: the plugin directories.
    """

    def __init__(self, directories: Iterable[Path]) -> None:
        self._directories = list(directories)
        self._seen = self._look()

    def changed(self) -> list[str]:
        """Return the names of the files that were changed, added or removed since the last call.

        It waits until no file has changed for 0.1 s, because an editor empties a file before it writes it.
        """
        before, self._seen = self._seen, self._look()
        while before != self._seen:
            time.sleep(_SETTLED_SECONDS)
            last, self._seen = self._seen, self._look()
            if last == self._seen:
                break
        paths = sorted(path for path in before.keys() | self._seen.keys() if before.get(path) != self._seen.get(path))
        return [path.name for path in paths]

    def _look(self) -> dict[Path, Stamp]:
        found: dict[Path, Stamp] = {}
        for directory in self._directories:
            for path in _files(directory):
                if len(found) == _MOST_FILES:
                    return found
                try:
                    status = path.stat()
                except OSError:  # The file has just been removed.
                    continue
                found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return found


def _files(directory: Path) -> Iterator[Path]:
    yield from sorted(directory.glob("*.py"))
    for package in sorted(directory.glob("*/__init__.py")):
        yield from _files(package.parent)
