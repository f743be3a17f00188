"""An engine's live configuration and its definitions: which keys may be set, and the details of each key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..conversion import cut, suggestion, type_name, without_none
from ..engine.definitions import Definition
from ..errors import ConfigError
from ..redaction import MASK, redact
from ..settings.guarded import guarded_reason, not_mutable
from .history import History

_MOST_ERRORS = 100


class Configuration:
    """A config object and the definitions of its keys.

    Args:
        config: the engine's config object.
        definitions: the definition of each key of the engine.
    """

    def __init__(self, config: Any, definitions: Mapping[str, Definition]) -> None:
        self.config = config
        self._definitions = definitions

    def values(self) -> dict[str, Any]:
        """Return each key with its current value, unmasked; unknown keys are last."""
        names = [*self._definitions, *getattr(self.config, "unknown", ())]
        config, missing = self.config, object()
        return {name: value for name in names if (value := getattr(config, name, missing)) is not missing}

    def check(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the converted values that may be set, and the reason for each key that may not."""
        accepted: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for name, value in values.items():
            try:
                accepted[name] = self._checked(name, value)
            except ConfigError as error:
                if len(errors) < _MOST_ERRORS:
                    errors[cut(name)] = str(error)
        wrong = len(values) - len(accepted)
        return accepted, errors | ({"…": f"{wrong - len(errors)} more"} if wrong > _MOST_ERRORS else {})

    def differing(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that differ from the current config."""
        return {name: value for name, value in values.items() if getattr(self.config, name, None) != value}

    def guarded(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return the keys that may not be set to these values over HTTP, with the reason."""
        reasons = {name: guarded_reason(name, value, self.config) for name, value in values.items()}
        return {name: reason for name, reason in reasons.items() if reason}

    def details(self, name: str, value: Any, history: History) -> dict[str, object]:
        """Return the details of a key, with secrets masked.

        Args:
            name: the key.
            value: its value, as `values` returns it.
            history: the engine's changes, for the source.

        Returns:
            value, default, source, type, mutable, minimum and maximum (if any), description, takes_effect.
        """
        definition = self._definitions.get(name) or _unknown(value)
        mutable = definition.mutable and not self.guarded({name: value})
        effect = definition.takes_effect
        return {
            "value": redact(value, name),
            "default": redact(definition.default, name),
            "source": self._source(name, value, definition, history),
            "type": _type_of(definition),
            "mutable": mutable,
            **({} if definition.minimum is None else {"minimum": definition.minimum}),
            **({} if definition.maximum is None else {"maximum": definition.maximum}),
            "description": definition.description,
            "takes_effect": "at restart" if effect == "unknown" and not mutable else effect,
        }

    def _checked(self, name: str, value: Any) -> Any:
        definition = self._definitions.get(name)
        if definition is None:
            raise ConfigError(f"Unknown config{suggestion(name, self._definitions)}")
        if not definition.mutable:
            raise ConfigError(not_mutable())
        if MASK in str(value) and MASK in str(redact(getattr(self.config, name, None), name)):
            raise ConfigError(f"Invalid value for {name}: {MASK} is the mask of a secret, not its value")
        converted = definition.convert(name, value)
        refusal = guarded_reason(name, converted, self.config)
        if refusal:
            raise ConfigError(refusal)
        return converted

    def _source(self, name: str, value: Any, definition: Definition, history: History) -> str:
        if hasattr(self.config, "source_of"):
            return str(self.config.source_of(name))
        if history.is_changed(name, value):
            return "runtime"
        # LMCache's config knows which keys were set at its start, but not their source.
        if name in getattr(self.config, "_user_set_keys", ()):
            return "configured"
        return "default" if value == definition.default else "runtime"


def _unknown(value: Any) -> Definition:
    description = "Unknown to this engine, and not used."
    return Definition(type(value), mutable=False, description=description, takes_effect="never")


def _type_of(definition: Definition) -> str:
    bare, optional = without_none(definition.type)
    return type_name(bare) + (" | None" if optional else "")
