"""`new-plugin`: an endpoint and its test, to begin with."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import click

# Real files, so that our own checks hold them; the word stands for the name of the plugin.
_TEMPLATE = Path(__file__).with_name("plugin_template")
_PLACEHOLDER = "example"

_NEXT = """\
Wrote {endpoint} and {test}.

Test it, with pytest:

  python -m pytest {test}

Have it served, by these lines of the engine's configuration:

  extra_config:
    internal_api_server_plugin_dirs: {plugin_dirs}

Or try it on the embedded engine:

  LMCACHE_EXTRA_CONFIG={extra_config} lmcache-internal serve
  curl http://localhost:7000/{name}
"""


@click.command("new-plugin")
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where to; made if it is missing.  [default: here]",
)
def new_plugin(name: str, directory: Path) -> None:
    """Write an endpoint, NAME_api.py, and its test, test_NAME_api.py."""
    if wrong := _what_is_wrong_with(name):
        raise click.BadParameter(f"{name!r} {wrong}.", param_hint="NAME")
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


def _what_is_wrong_with(name: str) -> str | None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return "is no lower-case Python identifier, such as cache_age"
    if name.startswith("test_") or name.endswith("_api"):
        return "must be without test_ and _api: they are added where they belong"
    from ..app import create_app  # Only now: no other command needs Flask.

    if create_app(None).url_map.bind("localhost").test(f"/{name}", "GET"):
        return f"is taken: GET /{name} is served already"
    return None


def _write(texts: Mapping[Path, str]) -> None:
    """Write all of the files or, on an OSError, none; never over one that is there."""
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
