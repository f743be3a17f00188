"""Describes requests for the OpenAPI document: the parameters and the body of a route."""

from __future__ import annotations

from werkzeug.routing import AnyConverter, BaseConverter, FloatConverter, IntegerConverter, UUIDConverter

from ..operations.arguments import Argument, JsonBody, Upload
from ..operations.docstrings import names_in
from ..operations.etags import PreconditionFailed
from .routes import Route
from .schemas import Schema, Schemas


def parameters_of(route: Route, schemas: Schemas) -> list[Schema]:
    """Return the parameters in the path, the query and the headers."""
    declared = {argument.name: argument for argument in route.arguments}
    # werkzeug has no public attribute for the converters.
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(converter, declared.get(name), schemas)}
        for name, converter in route.rule._converters.items()
    ]
    query = [
        _in_query(argument, schemas)
        for name, argument in declared.items()
        if name not in route.rule.arguments and not argument.is_body
    ]
    said = {
        argument.name: text
        for name, text in names_in(route.view.__doc__, "Args").items()
        for argument in declared.values()
        if argument.parameter == name
    }
    found = [*in_path, *query, *_conditions(route)]
    return [
        parameter | ({"description": said[parameter["name"]]} if parameter["name"] in said else {})
        for parameter in found
    ]


def body_of(route: Route, schemas: Schemas) -> Schema | None:
    """Return the request body; None if the route takes none."""
    taken = [argument for argument in route.arguments if argument.is_body]
    content: Schema = {}
    for argument in taken:
        if argument.takes_json:
            content["application/json"] = {"schema": _object(argument, schemas)}
    files = [argument for argument in taken if argument.bare is Upload]
    if files:
        schema = {
            "type": "object",
            "properties": {argument.name: {"type": "string", "format": "binary"} for argument in files},
            "required": [argument.name for argument in files if argument.required],
        }
        content["multipart/form-data"] = {"schema": schema}
    return {"content": content, "required": any(argument.required for argument in taken)} if content else None


def _object(argument: Argument, schemas: Schemas) -> Schema:
    return {"type": "object"} if argument.bare is JsonBody else schemas.of(argument.type)


def _path_schema(converter: BaseConverter, declared: Argument | None, schemas: Schemas) -> Schema:
    return _converted(converter) | (schemas.of(declared.type) if declared and not declared.text else {})


def _converted(converter: BaseConverter) -> Schema:
    if isinstance(converter, IntegerConverter):
        return {"type": "integer"} | ({} if converter.signed else {"minimum": 0})
    if isinstance(converter, FloatConverter):
        return {"type": "number"}
    if isinstance(converter, UUIDConverter):
        return {"type": "string", "format": "uuid"}
    if isinstance(converter, AnyConverter):
        return {"type": "string", "enum": sorted(converter.items)}
    return {"type": "string"} | ({"pattern": "^[^/]+$"} if converter.part_isolating else {})


def _in_query(argument: Argument, schemas: Schemas) -> Schema:
    schema = dict(argument.text.schema) if argument.text else schemas.of(argument.type)
    if argument.required and schema.get("type") == "string" and "pattern" not in schema:
        schema["minLength"] = max(1, schema.get("minLength", 0))  # An empty value counts as absent.
    if isinstance(argument.default, (bool, int, float, str)):
        schema["default"] = argument.default
    parameter = {"name": argument.name, "in": "query", "required": argument.required, "schema": schema}
    if argument.text and schema.get("type") == "array":
        parameter["explode"] = False  # One parameter with all items; the default is one parameter per item.
    elif argument.text and argument.may_be_empty:
        parameter["allowEmptyValue"] = True
    return parameter


def _conditions(route: Route) -> list[Schema]:
    """Return the conditional headers, if the operation has an entity tag."""
    if all(answer.status != PreconditionFailed.status for answer in getattr(route.view, "answers", [])):
        return []
    names = ["If-Match", "If-None-Match"] if route.method == "GET" else ["If-Match"]
    return [{"name": name, "in": "header", "schema": {"type": "string"}} for name in names]
