"""JSON schemas of Python types, by msgspec."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from .docstrings import names_in, text_of

Schema = dict[str, Any]


class Schemas:
    """The schemas of all types of a document, which share its components.

    Args:
        types: where one has no schema, as a plugin's may not have, `of` says that it can be anything.

    Attributes:
        components: the schemas of classes by their name.
    """

    def __init__(self, types: Iterable[Any]) -> None:
        self._types = [found for found in types if _has_schema(found)]
        schemas, components = _schemas(self._types)
        self._schemas = {id(found): schema for found, schema in zip(self._types, schemas, strict=True)}
        self.components = {name: _described(schema) for name, schema in components.items()}

    def of(self, found: Any) -> Schema:
        """The schema of one of the types."""
        return dict(self._schemas.get(id(found), {}))


def _schemas(types: Iterable[Any]) -> tuple[Iterable[Schema], dict[str, Schema]]:
    return msgspec.json.schema_components(
        types, schema_hook=_schema_of_class, ref_template="#/components/schemas/{name}"
    )


def _has_schema(found: Any) -> bool:
    try:
        _schemas([found])
    except Exception:  # Whatever a plugin annotates: its endpoint works, and the document must.
        return False
    return True


def _schema_of_class(found: type) -> Schema:
    # What JSON does not know is sent as its str().
    return {"description": "Anything."} if found is object else {"type": "string"}


def _described(schema: Schema) -> Schema:
    """The schema with the parts of its class' docstring where they belong."""
    docstring = schema.get("description")
    if not docstring:
        return schema
    said = names_in(docstring, "Attributes")
    properties = {
        name: ({"description": said[name]} if name in said else {}) | field
        for name, field in schema.get("properties", {}).items()
    }
    return schema | {"description": text_of(docstring)} | ({"properties": properties} if properties else {})
