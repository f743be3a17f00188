"""`python -m tests.docs.settings` prints `docs/settings.md`, from the settings and what their docstring says."""

from __future__ import annotations

from typing import Any

from lmcache_internal.engine.embedded.config import CONFIG_FILE_VARIABLE, DEFINITIONS
from lmcache_internal.operations.docstrings import names_in
from lmcache_internal.security.tokens import TOKEN_FILE_VARIABLE, TOKEN_VARIABLE
from lmcache_internal.settings import PREFIX, Settings
from lmcache_internal.wsgi import VARIABLE

HEAD = """# Settings

<!-- Printed by `make docs` from lmcache_internal/settings.py; do not edit. -->

They stand in the engine's own YAML file, under its `extra_config` where LMCache's configuration does not know them.
None of them can be changed over HTTP.

| key | default | meaning |
| --- | --- | --- |
"""

VARIABLES = f"""
## Variables of the environment

| variable | meaning |
| --- | --- |
| `{CONFIG_FILE_VARIABLE}` | the YAML file |
| `LMCACHE_<KEY>` | wins over the file, on the embedded engine: `LMCACHE_{PREFIX.upper()}PORT_START=8000` |
| `{TOKEN_VARIABLE}`, `{TOKEN_FILE_VARIABLE}` | for the server: a single token for the admin, or a file that holds it |
| `LMCACHE_INTERNAL_TOKEN` | for a command: the token that it sends |
| `{VARIABLE}` | `module:callable` that makes the engine's manager, for [WSGI servers](wsgi.md) |
| `LMCACHE_INTERNAL_API_SERVER` | `lmcache_internal` puts this server in the place of [LMCache's own](lmcache.md) |
"""

SHARED = ("run_script_api_enabled", "script_allowed_imports")
"""Settings that LMCache's own server has, too."""

OF_THE_ENGINE = {"include_indices": "include_index_list"}


def as_markdown() -> str:
    """The text of `docs/settings.md`."""
    rows = [(key_of(name), getattr(Settings(), name), meaning) for name, meaning in told().items()]
    rows += [(key, DEFINITIONS[key].default, DEFINITIONS[key].description) for key in SHARED]
    lines = [f"| `{key}` | {_shown(default)} | {meaning} |\n" for key, default, meaning in rows]
    return HEAD + "".join(lines) + VARIABLES


def told() -> dict[str, str]:
    """What the docstring says of each setting, with the capital of a sentence."""
    said = names_in(Settings.__doc__, "Attributes")
    return {name: f"{said[name][0].upper()}{said[name][1:]}" for name in Settings.__struct_fields__}


def key_of(name: str) -> str:
    """The key of a setting, with where it stands."""
    key = PREFIX + OF_THE_ENGINE.get(name, name)
    return key if key in DEFINITIONS else f"extra_config.{key}"


def _shown(default: Any) -> str:
    if default is None or default == ():
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


if __name__ == "__main__":
    print(as_markdown(), end="")
