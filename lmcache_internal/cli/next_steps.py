"""Complete the commands in a next step, so that they can be pasted into a shell.

The catalogue of troubles does not know the servers: its commands have the placeholders `--index N` and `NAME`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from .fleet import Fleet
    from .targets import Target

_COMMAND = re.compile(r"`lmcache-internal ([^`]*) (--index N|--all)`")
_IN_PATH = re.compile(r"(?<=[=/])NAME\b")


def completed(text: str, fleet: Fleet, targets: Sequence[Target], evidence: Mapping[str, Any]) -> str:
    """Return a next step whose commands name their servers, and whose routes name the backend.

    Args:
        text: the next step.
        fleet: the servers of this command, for `--all`.
        targets: the servers that are affected, for `--index N`.
        evidence: the facts of the finding; `backend` replaces NAME if it is the same in all ranks.
    """
    nested = [each for each in evidence.values() if isinstance(each, Mapping)]
    names = {str(each["backend"]) for each in (evidence, *nested) if "backend" in each}
    name = names.pop() if len(names) == 1 else "NAME"

    def command(found: re.Match[str]) -> str:
        words = [name if word == "NAME" else word for word in shlex.split(found[1])]
        return f"`{fleet.hint(words, targets if found[2] != '--all' else fleet.targets)}`"

    return _IN_PATH.sub(lambda _: quote(name, safe=""), _COMMAND.sub(command, text))
