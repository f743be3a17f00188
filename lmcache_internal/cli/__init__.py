"""The command `lmcache-internal`: one file a command, listed here."""

from __future__ import annotations

import click

from ..version import __version__
from .backends import backends
from .bundle import bundle
from .bypass import bypass
from .cache import cache
from .completion import completion
from .conf import conf
from .get import get
from .loglevel import loglevel
from .metrics import metrics
from .new_plugin import new_plugin
from .routes import routes
from .script import script
from .serve import serve
from .status import status
from .switches import freeze, hot_cache
from .threads import threads
from .token import token
from .top import top


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Talk to the internal API servers of LMCache engines, one or a whole fleet."""


for command in (
    *(backends, bundle, bypass, cache, completion, conf, freeze, get, hot_cache, loglevel, metrics, new_plugin),
    *(routes, script, serve, status, threads, token, top),
):
    main.add_command(command)
