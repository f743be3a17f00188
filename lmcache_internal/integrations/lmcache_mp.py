"""LMCache's MP server with this HTTP server in the place of its own.

`python -m lmcache_internal.integrations.lmcache_mp …` takes the options of `lmcache server`, and so does
`lmcache-internal mp-server …`. LMCache's own start code runs: engine, coordinator, runtime plugins. Only the class that
it serves HTTP with, `uvicorn.Server`, is replaced in this process.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

CONFIG_VARIABLE = "LMCACHE_INTERNAL_CONFIG_FILE"
CONFIG_OPTION = "--internal-config"
SERVER_MODULE = "lmcache.v1.multiprocess.http_server"


def run(arguments: Sequence[str]) -> None:
    """Run LMCache's MP server until it is stopped by SIGTERM or SIGINT.

    Args:
        arguments: the options of `lmcache server`, and `--internal-config FILE`.

    Raises:
        ImportError: LMCache is not installed, or has no MP server.
    """
    import runpy

    import uvicorn

    from .mp_server import server_class

    config_file, others = _split(arguments)
    uvicorn.Server = server_class(config_file)  # LMCache looks the class up when it serves.
    sys.argv = [SERVER_MODULE, *others]
    runpy.run_module(SERVER_MODULE, run_name="__main__", alter_sys=True)


def _split(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The file with this server's settings, and the arguments for LMCache."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(CONFIG_OPTION, default=os.environ.get(CONFIG_VARIABLE))
    found, others = parser.parse_known_args(arguments)
    return found.internal_config, others


if __name__ == "__main__":
    # As `python -m`, this file is `__main__`, and LMCache's module takes that name over.
    importlib.import_module("lmcache_internal.integrations.lmcache_mp").run(sys.argv[1:])
