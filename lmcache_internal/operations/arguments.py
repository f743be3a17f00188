"""Reads the arguments of a view from a request; the view's signature is the schema."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from flask import Request
from werkzeug.datastructures import FileStorage

from ..conversion import MAX_DEPTH, is_too_deep, parse_bool, shown, text_of, type_name, without_none
from ..errors import BadRequest
from ..redaction import quoted
from .signature_check import check_signature

_FORM = re.compile(rb"[\w.+%-]+=")


class FromText:
    """Parses a query parameter with a function, as in `Annotated[range, FromText(parse)]`.

    Args:
        parse: converts the text to the value, or raises `BadRequest` (400).
        missing: the `error` of the response if the parameter is required and absent.
        schema: JSON schema of the text, for the OpenAPI document.
    """

    def __init__(
        self,
        parse: Callable[[str], Any],
        missing: str = "Missing parameter",
        schema: Mapping[str, Any] = MappingProxyType({"type": "string"}),
    ) -> None:
        self.parse = parse
        self.missing = missing
        self.schema = schema


class OnWire(str):
    """A parameter name that is not a Python identifier, as in `Annotated[list[str], OnWire("name[]")]`."""


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


Names = Annotated[list[str], FromText(_split, schema={"type": "array", "items": {"type": "string"}})]
"""A comma-separated list of names; empty names are ignored."""


class JsonBody(dict[str, Any]):
    """The request's JSON object, unchecked; use a `msgspec.Struct` to declare and check its fields."""


class Upload(bytes):
    """The content of the multipart file part with the parameter's name."""


class Argument:
    """One parameter of a view.

    Attributes:
        parameter: the parameter's name in Python.
        name: its name in the request.
        type: its type with `Annotated` constraints, without `None`.
        bare: its type without constraints.
        text: its `FromText`, if it has one.
        takes_json: whether it is the request's JSON body.
        default: its default; `inspect.Parameter.empty` if it is required.
    """

    def __init__(self, name: str, annotation: Any, default: Any) -> None:
        self.parameter = name
        self.default = default
        self.type, _ = without_none(annotation)
        self.bare = get_args(self.type)[0] if get_origin(self.type) is Annotated else self.type
        markers = get_args(self.type)[1:] if get_origin(self.type) is Annotated else ()
        # A request cannot name it `for_`: `for` is a Python keyword, but a fine parameter name.
        self.name = next((marker for marker in markers if isinstance(marker, OnWire)), name.rstrip("_"))
        self.text = next((marker for marker in markers if isinstance(marker, FromText)), None)
        self.takes_json = isinstance(self.bare, type) and issubclass(self.bare, (JsonBody, msgspec.Struct))

    @property
    def is_body(self) -> bool:
        """Whether it is the request body or a part of it."""
        return self.takes_json or self.bare is Upload

    @property
    def is_raw(self) -> bool:
        """Whether its content is not checked."""
        return self.bare in (JsonBody, Upload)

    @property
    def is_list(self) -> bool:
        """Whether it collects the values of a repeated query parameter."""
        return get_origin(self.bare) is list

    @property
    def required(self) -> bool:
        """Whether a request without it gets 400."""
        return self.default is inspect.Parameter.empty

    @property
    def may_be_empty(self) -> bool:
        """Whether an empty value in the query counts as absent."""
        return not self.required and self.bare not in (int, float, bool)

    def read(self, request: Request, path_values: Mapping[str, Any]) -> Any:
        """Read the argument from the request; raises `BadRequest` (400) that names it."""
        if self.takes_json:
            return self._json(request)
        if self.bare is Upload:
            return self._upload(request)
        if self.name in path_values:
            return self._convert(path_values[self.name])
        # The last value wins, as in LMCache's server; Flask's `args.get` returns the first.
        given = request.args.getlist(self.name) if request.query_string else ()
        if self.is_list and given and self.text is None:
            return self._convert(given)
        if given and (given[-1] or (self.bare is str and self.text is None and not self.required)):
            return self._convert(given[-1])
        if given and self.required:
            return self._missing()
        if given and not self.may_be_empty:
            raise self._invalid(given[-1])
        if not given and request.query_string and request.method not in ("GET", "HEAD"):
            self._refuse_another_spelling(request.args)
        return self._missing()

    def _refuse_another_spelling(self, names: Iterable[str]) -> None:
        # `dryrun=true` and `dry-run=true` must not apply a change.
        for name in names:
            if _squeezed(name) == _squeezed(self.name):
                raise BadRequest(
                    f"Unknown parameter {shown(name)}; did you mean {self.name}?", title="Invalid parameter"
                )

    def _missing(self) -> Any:
        if not self.required:
            return self.default
        if self.bare is Upload:
            message = f"No {self.name} file provided"
            raise BadRequest(message, title="Missing parameter", text=message)
        raise BadRequest(f"{self.name} is required", title=self.text.missing if self.text else "Missing parameter")

    def _convert(self, raw: Any) -> Any:
        if self.text is not None:
            return self.text.parse(raw)
        if self.bare is bool and isinstance(raw, str):
            truth = parse_bool(raw)
            raw = raw if truth is None else truth
        elif self.bare is int and isinstance(raw, str) and not raw.lstrip("-").isdigit():
            raise self._invalid(raw)
        try:
            return msgspec.convert(raw, self.type, strict=False)
        except msgspec.ValidationError as error:
            raise self._invalid(raw, str(error)) from None

    def _invalid(self, raw: Any, reason: str = "") -> BadRequest:
        # Use msgspec's text for constraints ("Expected `str` of length <= 256"), and our own for types.
        expected = reason if reason and "got" not in reason else f"expected {type_name(self.bare)}"
        return BadRequest(
            f"Invalid value for {self.name}: {expected}, got {quoted(raw, self.name)}", title="Invalid parameter"
        )

    def _json(self, request: Request) -> Any:
        body = request.get_data(cache=False)
        if not body and not self.required:
            return self.default
        decoded = _json_object(body, request)
        if self.is_raw:
            return decoded
        try:
            return msgspec.convert(decoded, self.bare, strict=False)
        except msgspec.ValidationError as error:
            raise BadRequest(str(error), title="Invalid parameter") from None

    def _upload(self, request: Request) -> Any:
        parts: list[FileStorage] = request.files.getlist(self.name)
        return Upload(parts[-1].read()) if parts else self._missing()


def signature_of(view: Callable[..., Any]) -> tuple[list[Argument], Any]:
    """Return the arguments that `view`'s signature declares, in order, and its return type.

    Raises:
        TypeError: no request can match the signature.
    """
    hints = get_type_hints(view, include_extras=True)
    parameters = inspect.signature(view).parameters.values()
    arguments = [Argument(p.name, hints.get(p.name, str), p.default) for p in parameters]
    check_signature(view, arguments)
    return arguments, hints.get("return", Any)


def _squeezed(name: str) -> str:
    return name.replace("-", "").replace("_", "").replace(" ", "").lower()


def _json_object(encoded: bytes, request: Request) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(text_of(encoded))
        if is_too_deep(body):
            raise RecursionError
    except RecursionError:
        reason = f"lists and objects are nested more than {MAX_DEPTH} deep"
        raise BadRequest(reason, title="Invalid JSON body") from None
    except ValueError as error:
        # Also NaN, Infinity, 1e400 and lone surrogates: stored, they would make later JSON responses invalid.
        raise BadRequest(_reason(encoded, request) or str(error), title="Invalid JSON body") from None
    if not isinstance(body, dict):
        raise BadRequest("Request body must be a JSON object", payload={"error": "Request body must be a JSON object"})
    return body


def _reason(encoded: bytes, request: Request) -> str:
    """What is wrong with a body that somebody sent in another form; empty where it is meant as JSON."""
    example = "send a JSON object as the body: -d '{\"key\": value}'"
    if not encoded.strip():
        elsewhere = "; the values in the query string are not read" if request.query_string else ""
        return f"The request has no body{elsewhere}; {example}"
    if request.mimetype == "multipart/form-data" or _FORM.match(encoded):
        return f"The body is a form; {example}"
    return ""
