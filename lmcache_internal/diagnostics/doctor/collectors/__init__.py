"""Collect the facts of a rank: one file per group of facts, with `FIELDS` and `collect`.

`FIELDS` documents the fields of the group; `{"*": …}` documents a group with any fields. `collect` reads them from the
process and the engine. It changes nothing, and may raise: the group is then missing in this rank, with the reason. A
field whose value is unknown is left out; a rule that needs it is then reported as not checked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from ...checks import Subject
from ..modules import modules_of

Collector = Callable[[Subject], Mapping[str, Any]]


@functools.cache
def collectors() -> Mapping[str, Collector]:
    """Return the collector of each group of facts."""
    return {name: module.collect for name, module in modules_of(__name__).items()}


@functools.cache
def fields() -> Mapping[str, Mapping[str, str]]:
    """Return the description of each field, by group."""
    return {name: module.FIELDS for name, module in modules_of(__name__).items()}
