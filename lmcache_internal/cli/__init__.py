"""The command `lmcache-internal`: one file a command, listed here.

It may import every package but `integrations` and `testing`; the app and the server only where a command needs them.
"""

from __future__ import annotations

import click

from ..version import __version__
from .backends import backends
from .bundle import bundle
from .bypass import bypass
from .cache import cache
from .completion import completion
from .conf import conf
from .drain import drain, undrain
from .get import get
from .loglevel import loglevel
from .metrics import metrics
from .new_plugin import new_plugin
from .routes import routes
from .script import script
from .serve import serve
from .status import status
from .threads import threads
from .toggles import freeze, hot_cache
from .token import token
from .top import top

_SECTIONS = {
    "Look": (status, top, get, metrics, threads, routes, bundle),
    "Change": (conf, loglevel, backends, bypass, cache, freeze, hot_cache, drain, undrain, script),
    "Set up": (serve, token, new_plugin, completion),
}


class _Sections(click.Group):
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # Click's.
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(command.name or "", command.get_short_help_str(88)) for command in commands])


@click.group(
    cls=_Sections,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="\b\nTo begin:\n  lmcache-internal serve --workers 4\n  lmcache-internal status --config lmcache.yaml",
)
@click.version_option(__version__)
def main() -> None:
    """Talk to the internal API servers of LMCache engines, one or a whole fleet."""


for command in (command for commands in _SECTIONS.values() for command in commands):
    main.add_command(command)
