"""Describes JSON schemas in a few words, for the tables in the documents."""

from __future__ import annotations

from typing import Any

from tests.openapi.support import Document, resolved

Schema = dict[str, Any]

ERRORS = ("{error, message}", "{error}")
"""Bodies of errors, which are not listed."""


def type_of(schema: Schema) -> str:
    """Return the type and limits of an argument: `integer, 1 to 9`."""
    if "anyOf" in schema:
        return " or ".join(type_of(arm) for arm in schema["anyOf"] if arm.get("type") != "null")
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "items" in schema:
        return f"{type_of(schema['items'])}, repeatable"
    named = {"boolean": "true or false", "object": "JSON object", "string": "text"}
    word = "file" if schema.get("format") == "binary" else named.get(schema["type"], str(schema["type"]))
    return word + _limits(schema)


def _limits(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None:
        return f", {least:g} to {most:g}" if most is not None else f", at least {least:g}"
    if "examples" in schema:
        return f" such as `{schema['examples'][0]}`"
    return f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""


def shape_of(document: Document, schema: Schema) -> str:
    """Return the fields of a body: `{status, freeze, message}`, `[{name, level}]`, `{…: …}`."""
    schema = resolved(document, schema.get("contentSchema", schema))
    if "anyOf" in schema:
        shapes = dict.fromkeys(shape_of(document, arm) for arm in schema["anyOf"])
        return " or ".join(shape for shape in shapes if shape not in ERRORS)
    if "type" not in schema:
        return "…"
    if schema["type"] == "array":
        return f"[{shape_of(document, schema['items'])}]"
    if schema["type"] == "object":
        optional = schema.get("properties", {}).keys() - set(schema.get("required", ()))
        names = [f"{name}?" if name in optional else name for name in schema.get("properties", {})]
        return f"{{{', '.join(names) or '…: …'}}}"
    return "text" if schema["type"] == "string" else str(schema["type"])
