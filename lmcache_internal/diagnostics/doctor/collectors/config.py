"""The configuration of the engine, with secrets masked."""

from __future__ import annotations

from typing import Any

from ....engine.kinds import kind_of
from ....engine.select import runtime_of
from ...checks import Subject

FIELDS = {"*": "each key of the configuration, as in `GET /conf`; of an MP server, each section of `GET /config`"}


def collect(subject: Subject) -> dict[str, Any]:
    """Return the configuration by key."""
    runtime: Any = runtime_of(subject.manager)
    if kind_of(subject.manager) == "mp":
        return dict(runtime.configs())
    config = subject.manager.config
    names = [*runtime.definitions, *getattr(config, "unknown", ())]
    return {name: getattr(config, name) for name in names if hasattr(config, name)}
