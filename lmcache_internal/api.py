"""The public API for endpoint files: `@operation`, access to the engine, and the exceptions."""

from __future__ import annotations

from typing import cast

from flask import current_app, g
from msgspec import Meta, Struct

from .app import InternalApp
from .configuration.history import History, PublicRevision, history_of, public_changes
from .configuration.live import Configuration
from .configuration.snapshot import masked
from .conversion import cut, parse_bool, parse_tokens, shown, suggestion
from .diagnostics.checks import Degraded, Unhealthy
from .diagnostics.doctor.facts import FACTS_KEY, FactsCollector
from .diagnostics.health import HEALTH_KEY, Health
from .diagnostics.modes import MODES_KEY, ModeName, Modes
from .engine.kinds import EngineKind, kind_of
from .engine.mp.protocols import MPEngine, MPStorageManager
from .engine.mp.runtime import MPRuntime, ObjectName, Prefetch
from .engine.protocols import Config, Engine, Manager, Metadata, StatisticsClient, StorageManager
from .engine.runtime import KVLayer, Runtime
from .engine.select import runtime_of
from .errors import (
    ApiError,
    BadRequest,
    Busy,
    CallTimedOut,
    ConfigError,
    Conflict,
    EngineFailed,
    EngineUnavailable,
    NotFound,
    NotSupported,
    Unauthorized,
)
from .limits.recent_requests import RECENT_KEY, RecentRequest, RecentRequests
from .limits.server_load import LOAD_KEY, SEND_504_AFTER_KEY
from .openapi.routes import Route, routes_of
from .operations.arguments import FromText, JsonBody, Names, OnWire, Upload
from .operations.error_detail import carry_detail, carry_sentence
from .operations.etags import PreconditionFailed, entity_tag, require_match, tagged
from .operations.operation import operation
from .operations.responses import BareError, Content
from .operations.serialize import respond
from .operations.token_range import TokenRange
from .plugins import Page
from .redaction import MASK, redact
from .roles import Role
from .security.audit import AuditEntry, note
from .security.caller import Caller, is_local
from .settings import Settings
from .settings.address import ADDRESS_KEY
from .settings.guarded import guarded_reason

__all__ = [
    "ADDRESS_KEY",
    "LOAD_KEY",
    "MASK",
    "RECENT_KEY",
    "SEND_504_AFTER_KEY",
    "ApiError",
    "AuditEntry",
    "BadRequest",
    "BareError",
    "Busy",
    "CallTimedOut",
    "ConfigError",
    "Configuration",
    "Conflict",
    "Content",
    "Degraded",
    "EngineFailed",
    "EngineUnavailable",
    "FromText",
    "History",
    "JsonBody",
    "KVLayer",
    "MPEngine",
    "MPRuntime",
    "MPStorageManager",
    "Meta",
    "Names",
    "NotFound",
    "NotSupported",
    "ObjectName",
    "OnWire",
    "Page",
    "PreconditionFailed",
    "Prefetch",
    "PublicRevision",
    "RecentRequest",
    "RecentRequests",
    "Role",
    "Route",
    "Runtime",
    "StatisticsClient",
    "StorageManager",
    "Struct",
    "TokenRange",
    "Unauthorized",
    "Unhealthy",
    "Upload",
    "adapter",
    "backend_names",
    "caller",
    "carry_detail",
    "carry_sentence",
    "config",
    "cut",
    "engine",
    "engine_kind",
    "entity_tag",
    "facts_collector",
    "guarded_reason",
    "health",
    "history_of",
    "internal_app",
    "is_local",
    "masked",
    "metadata",
    "mode_switched",
    "modes",
    "mp_engine",
    "mp_runtime",
    "mp_storage",
    "note",
    "operation",
    "parse_bool",
    "parse_tokens",
    "public_changes",
    "redact",
    "require_match",
    "respond",
    "routes_of",
    "runtime",
    "settings",
    "shown",
    "started_engine",
    "storage_manager",
    "suggestion",
    "tagged",
]


def internal_app() -> InternalApp:
    """Return the app that serves this request."""
    return cast(InternalApp, current_app._get_current_object())  # type: ignore[attr-defined]  # werkzeug's proxy.


def caller() -> Caller:
    """Return the caller of this request, as the gate authenticated it."""
    return cast(Caller, g.security.caller)


def engine_kind() -> EngineKind:
    """Return the kind of the engine of this app, by which blueprints are mounted."""
    return kind_of(getattr(internal_app().state, "lmcache_adapter", None))


def adapter() -> Manager:
    """Return the engine's manager; 503 without one."""
    found = getattr(internal_app().state, "lmcache_adapter", None)
    if found is None:
        raise EngineUnavailable("LMCache adapter not configured.", title="LMCache adapter unavailable")
    return cast(Manager, found)


def engine(unavailable: str | None = None) -> Engine:
    """Return the cache engine; 503, with `unavailable` as its `error`, without one, as on a scheduler."""
    manager = getattr(internal_app().state, "lmcache_adapter", None) if unavailable else adapter()
    found = getattr(manager, "lmcache_engine", None)
    if found is None:
        raise EngineUnavailable("LMCache engine not configured.", title=unavailable)
    return cast(Engine, found)


def storage_manager(unavailable: str | None = None) -> StorageManager:
    """Return the engine's storage manager; 503 without one, as while a worker starts."""
    return cast(StorageManager, started_engine(unavailable).storage_manager)


def started_engine(unavailable: str | None = None) -> Engine:
    """Return the cache engine; 503 without one, and while it has no storage manager yet."""
    found = engine(unavailable)
    if getattr(found, "storage_manager", found) is None:
        raise EngineUnavailable("The engine is still starting and has no storage manager yet.", title=unavailable)
    return found


def backend_names(found: Engine) -> list[str] | None:
    """Return the names of an engine's backends; None if it does not list them, as a mock does not."""
    storage = getattr(found, "storage_manager", None)
    names = None if storage is None else storage.get_all_backend_names()
    return names if isinstance(names, list) else None


def config() -> Config:
    """Return the live configuration; 503 without one."""
    found = getattr(adapter(), "config", None)
    if found is None:
        raise EngineUnavailable("LMCache config not available.")
    return cast(Config, found)


def metadata() -> Metadata:
    """Return the engine's metadata; 503 without any."""
    found = getattr(adapter(), "lmcache_engine_metadata", None)
    if found is None:
        raise EngineUnavailable("LMCache metadata not available.")
    return cast(Metadata, found)


def mp_engine() -> MPEngine:
    """Return the engine of an MP server; 503 while it starts, or where it could not be made."""
    found = getattr(adapter(), "engine", None)
    if found is None:
        raise EngineUnavailable("The MP engine is still starting, or could not be made.")
    return cast(MPEngine, found)


def mp_storage() -> MPStorageManager:
    """Return the storage manager of an MP server; 503 without an engine."""
    return cast(MPStorageManager, mp_engine().storage_manager)


def mp_runtime() -> MPRuntime:
    """Return what belongs to the engine of an MP server: configuration, keys, prefetches; 503 without an engine."""
    mp_engine()
    return cast(MPRuntime, runtime())


def health() -> Health:
    """Return the health checks of the app that serves this request."""
    return cast(Health, internal_app().extensions[HEALTH_KEY])


def facts_collector() -> FactsCollector:
    """Return the collector of facts of the app that serves this request."""
    return cast(FactsCollector, internal_app().extensions[FACTS_KEY])


def modes() -> Modes:
    """The modes of the engine of the app that serves this request."""
    return cast(Modes, internal_app().extensions[MODES_KEY])


def mode_switched(name: ModeName, on: bool, backend: str = "") -> None:
    """Remember that the caller has switched a mode of the engine on or off."""
    modes().switched(name, on, caller().name, backend)


def runtime() -> Runtime:
    """Return the runtime of the engine: config definitions, versions."""
    return runtime_of(adapter())


def settings() -> Settings:
    """Return the server's settings from the engine's current config; 503 without one."""
    config()
    return internal_app().settings
