"""All that an endpoint file imports: the engine it serves, @operation, and the failures."""

from __future__ import annotations

from typing import cast

from flask import current_app
from msgspec import Meta, Struct

from .address import ADDRESS_KEY
from .answers import BareError, Content
from .app import InternalApp
from .arguments import FromText, JsonBody, Names, OnWire, Upload
from .configuration import Configuration
from .conversion import cut, parse_bool, shown
from .engine.protocols import Config, Engine, Manager, Metadata, StatisticsClient, StorageManager
from .engine.runtime import Runtime
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
from .health import HEALTH_KEY, Health
from .inline import leave_the_loop
from .load import LOAD_KEY
from .masked import masked
from .operation import operation
from .preconditions import PreconditionFailed, entity_tag, require_match, tagged
from .redaction import MASK, redact
from .revisions import History, PublicRevision, history_of, public_changes
from .routes import Route, routes_of
from .security.access import Access
from .security.audit import AuditEntry, note
from .security.caller import is_local
from .serialize import respond
from .settings import Settings, guarded_reason

__all__ = [
    "ADDRESS_KEY",
    "LOAD_KEY",
    "MASK",
    "Access",
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
    "EngineFailed",
    "EngineUnavailable",
    "FromText",
    "History",
    "JsonBody",
    "Meta",
    "Names",
    "NotFound",
    "NotSupported",
    "OnWire",
    "PreconditionFailed",
    "PublicRevision",
    "Route",
    "Runtime",
    "StatisticsClient",
    "StorageManager",
    "Struct",
    "Unauthorized",
    "Upload",
    "adapter",
    "config",
    "cut",
    "engine",
    "entity_tag",
    "guarded_reason",
    "health",
    "history_of",
    "internal_app",
    "is_local",
    "leave_the_loop",
    "masked",
    "metadata",
    "note",
    "operation",
    "parse_bool",
    "public_changes",
    "redact",
    "require_match",
    "respond",
    "routes_of",
    "runtime",
    "settings",
    "shown",
    "storage_manager",
    "tagged",
]


def internal_app() -> InternalApp:
    """The app that serves this request."""
    return cast(InternalApp, current_app._get_current_object())  # type: ignore[attr-defined]  # werkzeug's proxy.


def adapter() -> Manager:
    """The engine's manager, as it is now; 503 without one."""
    found = getattr(internal_app().state, "lmcache_adapter", None)
    if found is None:
        raise EngineUnavailable("LMCache adapter not configured.", title="LMCache adapter unavailable")
    return cast(Manager, found)


def engine(unavailable: str | None = None) -> Engine:
    """The cache engine; 503 without one, as on a scheduler, with `unavailable` as its `error`."""
    found = getattr(adapter(), "lmcache_engine", None)
    if found is None:
        raise EngineUnavailable("LMCache engine not configured.", title=unavailable)
    return cast(Engine, found)


def storage_manager(unavailable: str | None = None) -> StorageManager:
    """The engine's storage manager; 503 without one, as while a worker still starts."""
    found = engine(unavailable).storage_manager
    if found is None:
        raise EngineUnavailable("The engine is still starting: it has no storage manager yet.", title=unavailable)
    return cast(StorageManager, found)


def config() -> Config:
    """The live configuration; 503 without one."""
    found = getattr(adapter(), "config", None)
    if found is None:
        raise EngineUnavailable("LMCache config not available.")
    return cast(Config, found)


def metadata() -> Metadata:
    """The engine's metadata; 503 without any."""
    found = getattr(adapter(), "lmcache_engine_metadata", None)
    if found is None:
        raise EngineUnavailable("LMCache metadata not available.")
    return cast(Metadata, found)


def health() -> Health:
    """The checks of the app that serves this request."""
    return cast(Health, internal_app().extensions[HEALTH_KEY])


def runtime() -> Runtime:
    """What stands beside the engine: config definitions, versions."""
    return runtime_of(adapter())


def settings() -> Settings:
    """The server's settings, read from the engine's config as it is now."""
    return Settings.of(config())
