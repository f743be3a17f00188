"""`new-plugin`: write an endpoint and its test as a start.

Both are copies of real files, so that the checks of this project cover them.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from .commands import Command

# The placeholder is replaced with the name of the plugin.
_TEMPLATE = Path(__file__).with_name("plugin_template")
_PLACEHOLDER = "example"

_NEXT = """\
Wrote {endpoint} and {test}.

Test it, with pytest:

  python -m pytest {test}

Serve it, with these lines in the engine's configuration:

  extra_config:
    internal_api_server_plugin_dirs: {plugin_dirs}

Or try it on the embedded engine:

  LMCACHE_EXTRA_CONFIG={extra_config} lmcache-internal serve
  curl http://localhost:7000/{name}
"""


@click.command("new-plugin", cls=Command)
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The directory; created if it is missing. Default: the current directory.",
)
def new_plugin(name: str, directory: Path) -> None:
    """Write the endpoint NAME_api.py and its test, test_NAME_api.py.

    Example: lmcache-internal new-plugin cache_age --directory plugins
    """
    if problem := _problem_of(name):
        raise click.BadParameter(f"{name!r} {problem}.", param_hint="NAME")
    texts = {
        directory / template.name.replace(_PLACEHOLDER, name): template.read_text().replace(_PLACEHOLDER, name)
        for template in sorted(_TEMPLATE.glob("*.py"))
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write(texts)
    except FileExistsError as error:
        raise click.ClickException(f"{error.filename} exists already; nothing was written.") from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}; nothing was written.") from error
    endpoint, test = (shlex.quote(os.path.relpath(path)) for path in texts)
    plugin_dirs = json.dumps([str(directory.resolve())])
    extra_config = shlex.quote(f'{{"internal_api_server_plugin_dirs": {plugin_dirs}}}')
    click.echo(
        _NEXT.format(name=name, endpoint=endpoint, test=test, plugin_dirs=plugin_dirs, extra_config=extra_config),
        nl=False,
    )


def _problem_of(name: str) -> str | None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return "is not a lower-case Python identifier, such as cache_age"
    if name.startswith("test_") or name.endswith("_api"):
        return "must not contain test_ or _api: the command adds them"
    from ..app import create_app  # Imported here because no other command needs Flask.

    if create_app(None).url_map.bind("localhost").test(f"/{name}", "GET"):
        return f"is taken: GET /{name} exists already"
    return None


def _write(texts: Mapping[Path, str]) -> None:
    """Write all files or, after an OSError, none. An existing file is never overwritten."""
    written: list[Path] = []
    try:
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                written.append(path)
                file.write(text)
    except OSError:
        for path in written:
            path.unlink()
        raise
