"""`token`: who may do what."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from ..errors import ConfigError
from ..roles import Role
from ..security.token import new_token
from ..security.token_file import editing, read_tokens_file, write_tokens_file

_LEVELS = click.Choice([str(level) for level in Role if level is not Role.PUBLIC], case_sensitive=False)
_FILE = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    envvar=["LMCACHE_INTERNAL_TOKENS_FILE", "LMCACHE_INTERNAL_TOKENS"],
    help="The tokens file that extra_config.internal_api_server_tokens_file names; it holds hashes.  "
    "[env var: LMCACHE_INTERNAL_TOKENS_FILE]",
)


@click.group()
def token() -> None:
    """Bearer tokens: who may do what."""


@token.command()
@click.option("--name", required=True, help="Who will hold it; stands in the audit log.")
@click.option("--level", required=True, type=_LEVELS, help="What the holder may do.")
@_FILE
def new(name: str, level: str, path: Path) -> None:
    """Make a token, print it once, and add its hash to the file."""
    with _told(), editing(path, create=True):
        tokens = read_tokens_file(path, any_owner=True)
        if name in (known.name for known in tokens):
            raise ConfigError(f"{path} has a token named {name!r} already; revoke it first or choose another name")
        text, entry = new_token(name, Role.named(level))
        write_tokens_file(path, [*tokens, entry])
    click.echo(text)
    click.echo(f"Added {name} ({level}) to {path}. The token is not kept: note it now.", err=True)


@token.command(name="list")
@_FILE
def list_tokens(path: Path) -> None:
    """List the names and levels in the file."""
    with _told():
        for known in read_tokens_file(path, any_owner=True):
            click.echo(f"{known.level:<10} {known.name}")


@token.command()
@click.option("--name", required=True, help="Whose token.")
@_FILE
def revoke(name: str, path: Path) -> None:
    """Take a token out of the file; running servers notice at once."""
    with _told(), editing(path):
        tokens = read_tokens_file(path, any_owner=True)
        left = [known for known in tokens if known.name != name]
        if len(left) == len(tokens):
            raise ConfigError(f"{path} has no token named {name!r}")
        write_tokens_file(path, left)
    click.echo(f"Revoked {name}.", err=True)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (ConfigError, OSError) as error:
        raise click.ClickException(str(error)) from error
