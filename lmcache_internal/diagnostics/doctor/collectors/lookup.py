"""How the scheduler looks tokens up in the workers."""

from __future__ import annotations

from typing import Any

from ....engine.kinds import kind_of
from ...checks import Subject

FIELDS = {
    "client": "the class of the lookup client, which a scheduler has; null if there is none",
    "server": "the class of the lookup server, which a worker has; null if there is none",
}


def collect(subject: Subject) -> dict[str, Any]:
    """Return the classes; nothing if the engine does not say."""
    info = getattr(subject.manager, "get_lookup_info", None)
    if info is None or kind_of(subject.manager) == "mp":
        return {}
    found = info()
    return {name: None if found.get(name) in (None, "None") else found[name] for name in FIELDS}
