"""Generates JSON schemas of Python types with msgspec."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from ..operations.docstrings import names_in, text_of

Schema = dict[str, Any]


class Schemas:
    """The schemas of all types of a document, with shared components.

    Args:
        types: the types; for one without a JSON schema, as a plugin's may be, `of` returns the empty schema.

    Attributes:
        components: class name to schema.
    """

    def __init__(self, types: Iterable[Any]) -> None:
        self._types = [arm for found in types for arm in _arms(found) if _has_schema(arm)]
        schemas, components = _schemas(self._types)
        self._schemas = {id(found): schema for found, schema in zip(self._types, schemas, strict=True)}
        self.components = {name: _described(schema) for name, schema in components.items()}

    def of(self, found: Any) -> Schema:
        """Return the schema of one of the types."""
        schemas = [dict(self._schemas.get(id(arm), {})) for arm in _arms(found)]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _arms(found: Any) -> Sequence[Any]:
    # One by one, because msgspec rejects unions that it cannot decode, and nothing is decoded here.
    return get_args(found) if get_origin(found) in (Union, UnionType) else (found,)


def _schemas(types: Iterable[Any]) -> tuple[Iterable[Schema], dict[str, Schema]]:
    return msgspec.json.schema_components(
        types, schema_hook=_schema_of_class, ref_template="#/components/schemas/{name}"
    )


def _has_schema(found: Any) -> bool:
    try:
        _schemas([found])
    except Exception:  # A plugin may annotate anything; the document must still be generated.
        return False
    return True


def _schema_of_class(found: type) -> Schema:
    # Objects without a JSON form are sent as their str().
    return {"description": "Any value."} if found is object else {"type": "string"}


def _described(schema: Schema) -> Schema:
    """Return the schema with the descriptions from the docstring of its class."""
    docstring = schema.get("description")
    if not docstring:
        return schema
    said = names_in(docstring, "Attributes")
    properties = {
        name: ({"description": said[name]} if name in said else {}) | field
        for name, field in schema.get("properties", {}).items()
    }
    return schema | {"description": text_of(docstring)} | ({"properties": properties} if properties else {})
