"""Gateways, their links, and many ranks in one process."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import yaml
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from lmcache_internal.cli.credentials import BearerToken
from lmcache_internal.cli.discovery import find
from lmcache_internal.cli.fleet import Fleet
from lmcache_internal.cli.outcome import Found
from lmcache_internal.cli.output import Screen
from lmcache_internal.cli.sources import Source
from lmcache_internal.cli.targets import target_at
from lmcache_internal.cli.ui.app import create_gateway
from lmcache_internal.cli.ui.login import Login
from lmcache_internal.cli.ui.state import Gateway
from tests.http_server import running
from tests.support import ROOT, free_port

PORT = 8765


def gateway_client(urls: Sequence[str], token: str | None = None, login: Login | None = None) -> FlaskClient:
    """A client of a gateway to servers, without a session."""
    found = Found([target_at(url, index) for index, url in enumerate(urls)])
    screen = Screen()
    screen.quiet = True
    fleet = Fleet(found, BearerToken(token) if token else None, 10, screen)
    return create_gateway(Gateway(fleet), login or Login(), PORT).test_client()


def searching(source: Source, token: BearerToken | None = None) -> tuple[Gateway, FlaskClient]:
    """A gateway to the servers that options choose, which can search again, and a client with a session."""

    def search() -> Found:
        return find(source, token, 5)

    screen = Screen()
    screen.quiet = True
    gateway, login = Gateway(Fleet(search(), token, 10, screen, source, search=search)), Login()
    client = create_gateway(gateway, login, PORT).test_client()
    assert client.get(f"/login?token={login.token}").status_code == 200
    return gateway, client


@contextlib.contextmanager
def served(gateway: Gateway) -> Iterator[str]:
    """A gateway of this process on a port of loopback, and its login link."""
    login, port = Login(), free_port()
    with running(make_server("127.0.0.1", port, create_gateway(gateway, login, port), threaded=True)) as url:
        yield f"{url}/login?token={login.token}"


def logged_in(urls: Sequence[str], token: str | None = None) -> FlaskClient:
    """A client of a gateway to servers, with a session."""
    login = Login()
    client = gateway_client(urls, token, login)
    assert client.get(f"/login?token={login.token}").status_code == 200
    return client


@contextlib.contextmanager
def gateway_process(*arguments: str, **environ: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command `ui` as a process, and its login link."""
    command = [sys.executable, "-m", "lmcache_internal.cli", "ui", "--port", "0", "--no-browser", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LMCACHE_")}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean | environ,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A run in the background ignores the signal, and its children do, too.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        watchdog = threading.Timer(300, process.kill)
        watchdog.start()
        try:
            link = next(found[0] for line in process.stdout if (found := re.search(r"http\S+/login\S+", line)))
            yield process, link
        finally:
            watchdog.cancel()
            process.kill()


@contextlib.contextmanager
def many_ranks(directory: Path, count: int) -> Iterator[Path]:
    """A process that answers for many ranks; yields the file of their addresses."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.ui.many_ranks"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            base = process.stdout.readline().strip()
            path = directory / "targets.yaml"
            groups = [{"targets": [f"{base}/{rank}"], "labels": {"index": str(rank)}} for rank in range(count)]
            path.write_text(yaml.safe_dump(groups))
            yield path
        finally:
            process.send_signal(signal.SIGKILL)
