"""Stand-ins for servers with log levels of their own: the ranks of a test share one process, and so its loggers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from tests.http_server import Asked, Reply, responding

LISTED = "=== Loggers and Levels ===\n"


@dataclass
class LogServer:
    """A server's log levels.

    Attributes:
        levels: the level of each logger.
        is_lmcache: whether it is LMCache's own server, which sets levels with GET and has no PUT.
        fails: the status of each request that sets a level, or None.
        before: what it says the level was, instead of the truth.
        asked: method and path of each request.
    """

    levels: dict[str, str]
    is_lmcache: bool = False
    fails: int | None = None
    before: str | None = None
    asked: list[str] = field(default_factory=list)

    def respond(self, asked: Asked) -> Reply:
        self.asked.append(f"{asked.method} {asked.path}")
        path, query = urlsplit(asked.path).path, dict(parse_qsl(urlsplit(asked.path).query))
        if path != "/loglevel" or (self.is_lmcache and asked.method != "GET"):
            return Reply(405 if path == "/loglevel" else 404, json.dumps({"detail": "Method Not Allowed"}))
        name, level = query.get("logger_name", ""), query.get("level")
        if self.fails and level and "dry_run" not in query:
            return Reply(self.fails, json.dumps({"error": "Broken"}))
        return self._put(name, str(level), query) if asked.method == "PUT" else self._get(name, level)

    def _get(self, name: str, level: str | None) -> Reply:
        if name and level:
            self.levels[name] = level
            return Reply(200, f"Set {name} level to {level} (including all handlers)")
        return Reply(200, f"{name}: {self.levels.get(name, 'NOTSET')}" if name else LISTED)

    def _put(self, name: str, level: str, query: dict[str, str]) -> Reply:
        before = self.before or self.levels.get(name, "NOTSET")
        body = {"level": level, "effective": level, "before": before, "restored_after_seconds": None}
        if query.get("dry_run") == "true":
            return Reply(200, json.dumps(body | {"dry_run": True}))
        self.levels[name] = level
        return Reply(200, json.dumps(body))


@contextmanager
def log_server(server: LogServer) -> Iterator[str]:
    """Run a stand-in; yield its URL."""
    with responding(server.respond) as url:
        yield url
