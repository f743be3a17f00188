"""`token`: create, list and revoke bearer tokens.

The file holds hashes only, so that a reader of the file cannot use the tokens.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from ..errors import ConfigError
from ..roles import Role
from ..security.token import new_token
from ..security.token_file import editing, read_tokens_file, write_tokens_file
from .commands import Group

_ROLES = click.Choice([str(role) for role in Role if role is not Role.PUBLIC], case_sensitive=False)
_FILE = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    envvar=["LMCACHE_INTERNAL_TOKENS_FILE", "LMCACHE_INTERNAL_TOKENS"],
    help="The tokens file that extra_config.internal_api_server_tokens_file names; it holds hashes.  "
    "[env var: LMCACHE_INTERNAL_TOKENS_FILE]",
)


@click.group(cls=Group)
def token() -> None:
    """Create, list and revoke bearer tokens."""


@token.command()
@click.option("--name", required=True, help="The name of the holder, for the audit log.")
@click.option("--role", "--level", "role", required=True, type=_ROLES, help="The role of the holder.")
@_FILE
def new(name: str, role: str, path: Path) -> None:
    """Create a token, print it once, and add its hash to the file."""
    with _errors(), editing(path, create=True):
        tokens = read_tokens_file(path, any_owner=True)
        if name in (known.name for known in tokens):
            raise ConfigError(f"{path} has a token named {name!r} already; revoke it first or choose another name")
        text, entry = new_token(name, Role.named(role))
        write_tokens_file(path, [*tokens, entry])
    click.echo(text)
    click.echo(f"Added {name} ({role}) to {path}. The file has only its hash: save the token now.", err=True)


@token.command(name="list")
@_FILE
def list_tokens(path: Path) -> None:
    """List the names and roles in the file."""
    with _errors():
        for known in read_tokens_file(path, any_owner=True):
            click.echo(f"{known.role:<10} {known.name}")


@token.command()
@click.option("--name", required=True, help="The name of the token.")
@_FILE
def revoke(name: str, path: Path) -> None:
    """Remove a token from the file; running servers refuse it immediately."""
    with _errors(), editing(path):
        tokens = read_tokens_file(path, any_owner=True)
        left = [known for known in tokens if known.name != name]
        if len(left) == len(tokens):
            raise ConfigError(f"{path} has no token named {name!r}")
        write_tokens_file(path, left)
    click.echo(f"Revoked {name}.", err=True)


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (ConfigError, OSError) as error:
        raise click.ClickException(str(error)) from error
