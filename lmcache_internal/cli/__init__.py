"""The command `lmcache-internal`. Each command is one file; this file lists them.

The package may import every other package except `integrations` and `testing`. Commands import the app and the server
only when they run, because most commands need neither.
"""

from __future__ import annotations

import click

from ..version import __version__
from .backends import backends
from .bundle import bundle
from .bypass import bypass
from .cache import cache
from .commands import Main, summary
from .completion import completion
from .conf import conf
from .doctor import doctor
from .drain import drain, undrain
from .explain import explain
from .get import get
from .loglevel import loglevel
from .metrics import metrics
from .mp_server import mp_server
from .new_plugin import new_plugin
from .objects import objects
from .quota import quota
from .routes import routes
from .script import script
from .serve import serve
from .status import status
from .threads import threads
from .toggles import freeze, hot_cache
from .token import token
from .top import top

_SECTIONS = {
    "Inspect": (status, top, doctor, explain, get, metrics, threads, routes, bundle),
    "Modify": (conf, loglevel, backends, bypass, cache, freeze, hot_cache, quota, objects, drain, undrain, script),
    "Setup": (serve, mp_server, token, new_plugin, completion),
}


class _Sections(Main):
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # Click's.
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([summary(command) for command in commands])


@click.group(
    "lmcache-internal",
    cls=_Sections,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""\b
The options that choose servers (--config, --url, --index, ...) go before or after the command.

\b
Get started:
  lmcache-internal serve --workers 4
  lmcache-internal status
""",
)
@click.version_option(__version__)
def main() -> None:
    """Inspect and change LMCache engines through their internal API servers."""


for command in (command for commands in _SECTIONS.values() for command in commands):
    main.add_command(command)
