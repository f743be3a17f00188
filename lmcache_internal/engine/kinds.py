"""The kinds of engines that can be served, and the kind of a manager.

A blueprint declares its kinds by a name beside its `router`: `engines = ("mp",)`. It then needs no test of the engine's
class, and an app mounts, lists and documents only the routes that its engine has.
"""

from __future__ import annotations

from typing import Any, Literal, cast

EngineKind = Literal["in-process", "mp"]
"""`in-process`: a `LMCacheManager` inside vLLM, or the embedded engine of that shape. `mp`: LMCache's multi-process
server, one process per node, or the embedded engine of that shape."""

KINDS: tuple[EngineKind, ...] = ("in-process", "mp")
DEFAULT_KINDS: tuple[EngineKind, ...] = ("in-process",)
"""The kinds of a blueprint that declares none."""


def kind_of(manager: Any) -> EngineKind:
    """Return the kind that `manager` declares as `engine_kind`; LMCache's own managers declare none."""
    declared = getattr(manager, "engine_kind", None)
    return cast(EngineKind, declared) if declared in KINDS else "in-process"
