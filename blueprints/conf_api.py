"""The engine's live configuration."""

from __future__ import annotations

import logging

from flask import Blueprint

from lmcache_internal.api import (
    MASK,
    BadRequest,
    ConfigError,
    JsonBody,
    Names,
    config,
    guarded_reason,
    operation,
    redact,
    runtime,
)

router = Blueprint("conf", __name__)

logger = logging.getLogger(__name__)


@router.get("/conf")
@operation(doing="read the configuration", media="text-json", cheap=True)
def read_config(names: Names | None = None) -> dict[str, object]:
    """The configuration, secrets masked, or the keys that `names` lists."""
    found = config()
    keys = [*runtime().definitions, *getattr(found, "unknown", ())]
    chosen = [name for name in names if name in keys] if names else keys
    return {name: redact(getattr(found, name), name) for name in chosen if hasattr(found, name)}


@router.post("/conf")
@operation(doing="set the configuration", changes=True)
def set_config(values: JsonBody) -> dict[str, object]:
    """Set configuration values; all are checked first, then the good ones applied together."""
    found = config()
    accepted: dict[str, object] = {}
    errors: dict[str, str] = {}
    for name, value in values.items():
        try:
            accepted[name] = _checked(name, value)
        except ConfigError as error:
            errors[name] = str(error)
    for name, value in accepted.items():
        setattr(found, name, value)
    if accepted:
        logger.info("Configuration changed: %s", redact(accepted))
    answer: dict[str, object] = {"updated": redact(accepted)}
    if errors:
        answer["errors"] = errors
    if errors and not accepted:
        raise BadRequest("Nothing was updated", payload=answer)
    return answer


def _checked(name: str, value: object) -> object:
    """The value as the config stores it; raises `ConfigError` where it may not be set."""
    definition = runtime().definitions.get(name)
    if definition is None:
        raise ConfigError("Unknown config")
    if not definition.mutable:
        raise ConfigError("Config is not mutable at runtime")
    if MASK in str(value) and MASK in str(redact(getattr(config(), name, None), name)):
        raise ConfigError(f"Invalid value for {name}: {MASK} is the mask of a secret, not its value")
    converted = definition.convert(name, value)
    refusal = guarded_reason(name, converted, config())
    if refusal:
        raise ConfigError(refusal)
    return converted
