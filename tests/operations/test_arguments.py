"""Arguments are read by the view's signature: the view gets the value, or the client a 400 with the parameter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app

PLUGIN = '''
"""Endpoints that return their arguments."""

from __future__ import annotations

from typing import Annotated, Any, Optional

from flask import Blueprint
from lmcache_internal.api import JsonBody, Meta, Names, OnWire, Upload, operation

router = Blueprint("echo", __name__, url_prefix="/echo")


def echo(path: str, method: str = "GET"):
    return lambda view: router.route(path, methods=[method])(operation(action="echo")(view))


@echo("/bool")
def a_bool(x: bool = True) -> Any:
    return x


@echo("/int")
def an_int(x: int = 7) -> Any:
    return x


@echo("/float")
def a_float(x: float = 1.5) -> Any:
    return x


@echo("/str")
def a_str(x: str = "default") -> Any:
    return x


@echo("/optional")
def optional(x: Optional[int] = None) -> Any:
    return x


@echo("/on_wire")
def on_wire(names: Annotated[list[str], OnWire("name[]")]) -> Any:
    return names


@echo("/limited")
def limited(x: Annotated[str, Meta(max_length=4)] | None = None, n: Annotated[int, Meta(ge=1)] = 1) -> Any:
    return [x, n]


@echo("/required")
def required(x: int, y: str) -> Any:
    return [x, y]


@echo("/list")
def a_list(x: list[str] | None = None, n: list[int] = []) -> Any:
    return [x, n]


@echo("/names")
def names(x: Names | None = None) -> Any:
    return x


@echo("/path/<int:x>/<y>")
def in_path(x: int, y: str, z: int = 0) -> Any:
    return [x, y, z]


@echo("/untyped")
def untyped(x="default") -> Any:
    return x


@echo("/json", "POST")
def a_json(body: JsonBody, x: int = 0) -> Any:
    return [body, x]


@echo("/upload", "POST")
def an_upload(part: Upload | None = None) -> Any:
    return None if part is None else part.decode()


@echo("/upload/required", "POST")
def a_required_upload(part: Upload) -> Any:
    return part.decode()
'''


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    directory = tmp_path_factory.mktemp("plugins")
    (directory / "echo_api.py").write_text(PLUGIN)
    app = create_app(None, [directory])
    assert app.extensions["lmcache_internal"].failed == {}
    return app.test_client()


def got(client: FlaskClient, path: str) -> Any:
    """Return the arguments that the view received."""
    response = client.get(f"/echo{path}")
    assert response.status_code == 200, response.text
    return response.get_json()


def refused(client: FlaskClient, path: str) -> str:
    """Return the error of a 400."""
    response = client.get(f"/echo{path}")
    assert response.status_code == 400, response.text
    assert response.get_json().keys() == {"error", "message"}
    return f"{response.get_json()['error']}: {response.get_json()['message']}"


@pytest.mark.parametrize("word", ["true", "TRUE", "True", "1", "yes", "Yes", "on", "ON", "t", "Y"])
def test_bool_accepts_words_for_true(client: FlaskClient, word: str) -> None:
    assert got(client, f"/bool?x={word}") is True


@pytest.mark.parametrize("word", ["false", "FALSE", "False", "0", "no", "No", "off", "OFF", "f", "N"])
def test_bool_accepts_words_for_false(client: FlaskClient, word: str) -> None:
    assert got(client, f"/bool?x={word}") is False


@pytest.mark.parametrize("word", ["2", "-1", "maybe", "truee", "null", "", "1.0"])
def test_bool_rejects_other_words(client: FlaskClient, word: str) -> None:
    assert refused(client, f"/bool?x={word}") == f"Invalid parameter: Invalid value for x: expected bool, got '{word}'"


@pytest.mark.parametrize(("text", "number"), [("5", 5), ("-5", -5), ("0", 0), ("123456789012", 123456789012)])
def test_int_accepts_decimal_numbers(client: FlaskClient, text: str, number: int) -> None:
    assert got(client, f"/int?x={text}") == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 5",
        "5 ",
        "+5",
        "1_000",
        "0x1",
        "0b1",
        "1.0",
        "1e3",
        "five",
        "--5",
        "-",
        "5,6",
        "\u0665",
        "\u00b2",
        "NaN",
        "true",
    ],
)
def test_int_rejects_other_text(client: FlaskClient, text: str) -> None:
    answer = client.get("/echo/int", query_string={"x": text})
    assert answer.status_code == 400
    assert answer.get_json() == {
        "error": "Invalid parameter",
        "message": f"Invalid value for x: expected int, got {text!r}",
    }


def test_float_is_parsed_and_checked(client: FlaskClient) -> None:
    assert got(client, "/float?x=2.25") == 2.25
    assert got(client, "/float?x=-3") == -3.0
    assert "expected float, got 'x'" in refused(client, "/float?x=x")
    assert "expected float, got ''" in refused(client, "/float?x=")


def test_str_is_unchanged(client: FlaskClient) -> None:
    assert got(client, "/str?x=%20a%2Bb+c%26%C3%A9 ") == " a+b c&é "
    assert got(client, "/str?x=") == ""
    assert got(client, "/str?x=5") == "5"
    assert got(client, "/untyped?x=5") == "5"


@pytest.mark.parametrize(
    ("path", "default"),
    [("/bool", True), ("/int", 7), ("/float", 1.5), ("/str", "default"), ("/optional", None), ("/list", [None, []])],
)
def test_absent_parameter_has_its_default(client: FlaskClient, path: str, default: Any) -> None:
    assert got(client, path) == got(client, f"{path}?y=1&X=2") == default


def test_last_value_of_repeated_scalar_wins(client: FlaskClient) -> None:
    assert got(client, "/int?x=1&x=2&x=3") == 3
    assert got(client, "/int?x=nonsense&x=3") == 3
    assert got(client, "/str?x=a&x=") == ""
    assert "got 'nonsense'" in refused(client, "/int?x=3&x=nonsense")


def test_list_collects_all_values(client: FlaskClient) -> None:
    assert got(client, "/list?x=a&x=b,c&x=") == [["a", "b,c", ""], []]
    assert got(client, "/list?n=1&n=2") == [None, [1, 2]]
    assert "Invalid value for n: expected list[int]" in refused(client, "/list?n=1&n=x")


def test_parameter_name_may_be_no_python_identifier(client: FlaskClient) -> None:
    assert got(client, "/on_wire?name[]=a&name%5B%5D=b") == ["a", "b"]
    assert refused(client, "/on_wire?names=a").endswith("name[] is required")


def test_names_are_comma_separated(client: FlaskClient) -> None:
    assert got(client, "/names?x=a,%20b%20,,c") == ["a", "b", "c"]
    assert got(client, "/names") is None


def test_optional_value_is_converted_and_checked(client: FlaskClient) -> None:
    assert got(client, "/optional?x=5") == 5
    assert refused(client, "/optional?x=five").endswith("expected int, got 'five'")


def test_value_outside_limits_gets_400_with_reason(client: FlaskClient) -> None:
    assert got(client, "/limited?x=abcd&n=1") == ["abcd", 1]
    assert refused(client, "/limited?x=abcde").endswith(
        "Invalid value for x: Expected `str` of length <= 4, got 'abcde'"
    )
    assert refused(client, "/limited?n=0").endswith("Invalid value for n: Expected `int` >= 1, got '0'")


def test_huge_value_is_truncated_in_error(client: FlaskClient) -> None:
    assert len(refused(client, f"/limited?x={'y' * 10_000}")) < 300
    assert len(refused(client, f"/int?x={'9' * 10_000}")) < 300


@pytest.mark.parametrize(
    ("query", "name"), [("", "x"), ("?y=a", "x"), ("?x=1", "y"), ("?x=&y=a", "x"), ("?x=1&y=", "y")]
)
def test_required_parameter_must_be_present_and_not_empty(client: FlaskClient, query: str, name: str) -> None:
    assert refused(client, f"/required{query}").startswith(f"Missing parameter: {name} is ")
    assert got(client, "/required?x=1&y=a") == [1, "a"]


def test_path_and_query_parameters_combine(client: FlaskClient) -> None:
    assert got(client, "/path/5/a%20b?z=3") == [5, "a b", 3]
    assert got(client, "/path/5/a?x=6&y=b") == [5, "a", 0]
    assert client.get("/echo/path/five/a").status_code == 404


def test_json_object_is_unchanged(client: FlaskClient) -> None:
    body = {"a": [1, 2.5, None, True], "é": {"b": "\U0001f600"}, "big": 2**70}
    response = client.post("/echo/json?x=3", data=json.dumps(body))
    assert response.status_code == 200
    assert response.get_json() == [body, 3]


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8", ""]
)
def test_json_body_accepts_any_content_type(client: FlaskClient, content_type: str) -> None:
    response = client.post("/echo/json", data=b'{"a": "b&c=d"}', content_type=content_type)
    assert response.get_json() == [{"a": "b&c=d"}, 0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e400}',
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"a": "\xff"}',
        b'\xff\xfe{\x00"\x00',
        b'{"a": 1} {}',
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 50_000,
    ],
)
def test_invalid_json_gets_400(client: FlaskClient, body: bytes) -> None:
    response = client.post("/echo/json", data=body)
    assert response.status_code == 400
    assert response.get_json()["error"] == "Invalid JSON body"


@pytest.mark.parametrize("body", [b"[]", b'[{"a": 1}]', b'"text"', b"5", b"null", b"true"])
def test_json_that_is_not_an_object_gets_400(client: FlaskClient, body: bytes) -> None:
    response = client.post("/echo/json", data=body)
    assert response.status_code == 400
    assert response.get_json() == {"error": "Request body must be a JSON object"}


def parts(*named: tuple[str, bytes]) -> tuple[bytes, str]:
    heads = [
        b'--b\r\nContent-Disposition: form-data; name="%b"; filename="f"\r\n\r\n%b\r\n' % (name.encode(), content)
        for name, content in named
    ]
    return b"".join(heads) + b"--b--\r\n", "multipart/form-data; boundary=b"


@pytest.mark.parametrize("path", ["/echo/upload", "/echo/upload/required"])
def test_last_multipart_part_wins(client: FlaskClient, path: str) -> None:
    data, content_type = parts(("part", b"first"), ("part", b"last\r\n"), ("other", b"other"))
    response = client.post(path, data=data, content_type=content_type)
    assert response.get_json() == "last\r\n"


def test_empty_part_is_not_absent(client: FlaskClient) -> None:
    data, content_type = parts(("part", b""))
    assert client.post("/echo/upload", data=data, content_type=content_type).get_json() == ""


def test_absent_part_has_default_or_gets_400(client: FlaskClient) -> None:
    data, content_type = parts(("other", b"other"))
    assert client.post("/echo/upload", data=data, content_type=content_type).get_json() is None
    for body in (data, b""):
        response = client.post("/echo/upload/required", data=body, content_type=content_type)
        assert (response.status_code, response.text) == (400, "No part file provided")
        as_json = {"Accept": "application/json"}
        response = client.post("/echo/upload/required", data=body, content_type=content_type, headers=as_json)
        assert response.get_json() == {"error": "Missing parameter", "message": "No part file provided"}


def test_view_keeps_name_and_exposes_arguments(manager: EmbeddedManager, tmp_path: Path) -> None:
    (tmp_path / "echo_api.py").write_text(PLUGIN)
    view = create_app(manager, [tmp_path]).view_functions["echo.in_path"]
    arguments = getattr(view, "arguments", [])
    assert view.__name__ == "in_path"
    assert [(argument.name, argument.required) for argument in arguments] == [("x", True), ("y", True), ("z", False)]
