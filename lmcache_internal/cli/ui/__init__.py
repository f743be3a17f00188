"""`ui`: serve a dashboard of all servers on loopback.

The gateway is a small Flask app: `app.py` assembles it, `http_server.py` serves it, `guard.py` authorizes its requests,
`ranks.py` polls the ranks, `search.py` finds them again, `proxy.py` forwards the requests of a rank's page, and
`fleet_api.py`, `change_api.py` and `explain_api.py` are its endpoints.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import webbrowser
from contextlib import AbstractContextManager

import click

from ..commands import Command
from ..fleet import Fleet
from ..options import fleet_options
from ..units import servers

HOST = "127.0.0.1"
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


@click.command(cls=Command)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="The port on loopback; 0: any."
)
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in a browser.")
@fleet_options()
def ui(fleet: Fleet, port: int, browser: bool) -> None:
    """Serve a dashboard of all servers on loopback, until Ctrl-C.

    The command prints a login link that works once. The dashboard shows all ranks, their charts and the differences of
    their configuration, and changes all or chosen ranks. It adds the token of this command to each request.

    Example: lmcache-internal ui --config lmcache.yaml
    """
    from .app import create_gateway
    from .http_server import create_server
    from .login import Login
    from .login_file import login_file
    from .state import Gateway

    login = Login()
    with _listener(port) as listening:
        port = listening.getsockname()[1]
        state = Gateway(fleet)
        app = create_gateway(state, login, port)
        server = create_server(app, listening)
        base = f"http://{HOST}:{port}"
        opened = contextlib.ExitStack()

        def offer() -> str:
            """Print the next link, after the one before was used."""
            opened.close()
            link = f"{base}/login?token={login.token}"
            click.echo(f"Log in: {link}")
            return link

        with opened, contextlib.suppress(KeyboardInterrupt):
            click.echo(f"The dashboard of {servers(len(fleet.targets))} is at {base}. Press Ctrl-C to stop.")
            link = offer()
            login.on_exchange = offer
            sys.stdout.flush()
            if browser and any(os.environ.get(name) for name in _DISPLAYS):
                _open(opened, login_file(link))
            state.search.start()
            server.run()
        state.search.stop()
        server.close()


def _open(opened: contextlib.ExitStack, file: AbstractContextManager[str]) -> None:
    """Open the login file in a browser."""
    try:
        webbrowser.open(opened.enter_context(file))
    except OSError as error:
        click.echo(f"Cannot write a file for the browser ({error}). Open the link yourself.", err=True)


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {HOST}:{port}: {error.strerror}. Choose another --port."
        ) from error
