"""The HTTP server of the gateway: waitress with the strict parser of `serving`.

waitress' own parser takes quadratic time for white space in a header, so one request without a login would stop it.
"""

from __future__ import annotations

import socket
from typing import Any

import waitress
from flask import Flask
from waitress.channel import HTTPChannel

from ...serving.request_parser import Parser
from ...serving.tasks import RefusalTask

THREADS = 32
"""Requests that are served at the same time. A browser sends at most six."""


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types.
    parser_class = Parser
    error_task_class = RefusalTask


def create_server(app: Flask, listening: socket.socket) -> Any:
    """Return a server of `app` on a listening socket; its method `run` serves until Ctrl-C."""
    server = waitress.create_server(
        app,
        sockets=[listening],
        threads=THREADS,
        ident=None,
        max_request_body_size=app.config["MAX_CONTENT_LENGTH"],
    )
    server.channel_class = _Channel
    return server
