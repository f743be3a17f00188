"""`mp-server`: LMCache's multi-process server with this HTTP API."""

from __future__ import annotations

import runpy
import sys

import click

_MODULE = "lmcache_internal.integrations.lmcache_mp"


@click.command("mp-server", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--internal-config", metavar="FILE", help="Settings of this HTTP API, as YAML: tokens, socket, timeouts.")
@click.pass_context
def mp_server(context: click.Context, internal_config: str | None) -> None:
    """Run LMCache's MP server with this HTTP API in the place of its own.

    All other options are those of `lmcache server`; see `lmcache server --help`. The cache runs even where this API
    cannot be served; then / and /healthcheck answer, and one ERROR in the log says why.

    Example: lmcache-internal mp-server --http-port 8080 --l1-size-gb 20 --eviction-policy LRU
    """
    own = ["--internal-config", internal_config] if internal_config else []
    sys.argv = [_MODULE, *own, *context.args]
    try:
        runpy.run_module(_MODULE, run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error}: install LMCache with its dependencies into this environment: pip install lmcache"
        ) from error
