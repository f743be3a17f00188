"""The server under test, and plain waitress with the same app."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import waitress
from waitress import wasyncore

from lmcache_internal import InternalAPIServer
from lmcache_internal.security.caller import DIRECT_KEY
from lmcache_internal.settings.address import ADDRESS_KEY
from tests.fuzz_wire.comparison import Servers
from tests.fuzz_wire.model import ADJUSTMENTS
from tests.serving.support import serving
from tests.support import connect


@contextlib.contextmanager
def both(kind: str = "tcp") -> Iterator[Servers]:
    """Yield both servers, on one engine."""
    with (
        tempfile.TemporaryDirectory() as directory,
        serving(Path(directory), kind) as server,
        plain_waitress(server) as port,
    ):
        yield Servers(partial(connect, server), partial(socket.create_connection, ("127.0.0.1", port), 60))


@contextlib.contextmanager
def plain_waitress(server: InternalAPIServer) -> Iterator[int]:
    """Yield the port of waitress with the app of `server`; it sees its clients as the server does."""
    app = server.app
    assert app is not None

    as_ours = {
        ADDRESS_KEY: server.address,
        DIRECT_KEY: True,
        "SERVER_NAME": server.address.host,
        "SERVER_PORT": str(server.port),
    }

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        return app(environ | as_ours, start_response)

    sockets: dict[int, Any] = {}
    plain = waitress.create_server(application, map=sockets, host="127.0.0.1", port=0, threads=4, **ADJUSTMENTS)
    loop = threading.Thread(target=wasyncore.loop, kwargs={"map": sockets, "timeout": 0.1}, daemon=True)
    loop.start()
    try:
        yield plain.effective_port
    finally:
        plain.trigger.pull_trigger(partial(wasyncore.close_all, sockets, ignore_all=True))
        loop.join()
        plain.task_dispatcher.shutdown()
