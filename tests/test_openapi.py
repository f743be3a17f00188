"""GET /openapi.json says what the running app does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Rule
from werkzeug.test import Client

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.security.access import Access, required_access
from tests.security.support import app_with, bearer, token_file
from tests.support import make_manager

DECLARED = '''
"""Weigh things.

It is slow.
"""

from typing import Annotated, Any, TypedDict

from flask import Blueprint, Response
from lmcache_internal.api import Access, Content, JsonBody, Meta, Names, NotFound, OnWire, Struct, Upload, operation

router = Blueprint("weigh", __name__, url_prefix="/weigh")


class Weight(TypedDict):
    """What a thing weighs.

    Attributes:
        grams: its weight, in
            grams.
    """

    grams: float


class Scale(Struct):
    """How to weigh."""

    name: str
    most: Annotated[int, Meta(ge=1, le=9)] = 5


class Odd:
    """No type that JSON knows."""


class Broken(TypedDict):
    """Names a type that is not there."""

    part: "Missing"


@router.get("/<int:number>/<name>")
@operation(doing="weigh", access=Access.PUBLIC, raises=(NotFound,), cheap=True)
def weigh(number: int, name: Annotated[str, Meta(max_length=3)], unit: str = "g", of: Names | None = None) -> Weight:
    """Weigh one.

    Slowly.

    Args:
        unit: of the
            answer.
    """
    return {"grams": 1.0}


@router.put("/by")
@operation(doing="choose a scale", changes=True)
def choose(scale: Scale, tags: Annotated[list[str], OnWire("tag[]")], for_: int | None = None) -> None:
    """Choose a scale."""


@router.post("/file")
@operation(doing="weigh a file", raises=(Annotated[NotFound, Weight, str],))
def weigh_file(file: Upload, sheet: Upload | None = None) -> Annotated[Response, Weight]:
    """Weigh a file."""
    return Response("{}")


@router.get("/page")
@operation(doing="show")
def page() -> Annotated[Response, Content("text/html", "text/css")]:
    return Response("")


@router.get("/odd")
@operation(doing="be odd")
def odd() -> dict[str, Odd]:
    return {}


@router.get("/broken")
@operation(doing="be broken")
def broken() -> Broken:
    return {}


@router.get("/silent")
@operation(doing="say nothing of itself")
def silent():
    return {}


@router.get("/response")
@operation(doing="answer by itself")
def response() -> Response:
    return Response("")
'''

PLAIN = '''
from flask import Blueprint
from flask.views import MethodView

router = Blueprint("plain", __name__, url_prefix="/plain")


@router.route("/<int(signed=True):a>/<float:b>/<uuid:c>/<any(x, y):d>/<path:e>", methods=["GET", "POST"])
def plain(a, b, c, d, e):
    """A plain Flask view.

    It has more to say.
    """
    return "plain"


class Thing(MethodView):
    def get(self):
        return "thing"


router.add_url_rule("/thing", view_func=Thing.as_view("thing"))
router.add_url_rule("/thing/<name>/<int:number>", view_func=Thing.as_view("a_thing"))
router.add_url_rule("/old_thing", view_func=Thing.as_view("a.thing".replace(".", "_")), endpoint="a_thing_2")
router.add_url_rule("/fixed", defaults={"name": "x"}, view_func=lambda name: name, endpoint="fixed")


@router.get("/reads")
def reads():
    return "read"


@router.route("/reads", methods=["POST"], endpoint="read_s")
def changes():
    return "changed"
'''

METHODS = ("get", "put", "post", "delete", "patch")
Operation = dict[str, Any]
Document = dict[str, Any]


def document_of(client: Client, **options: Any) -> Document:
    response = client.get("/openapi.json", **options)
    assert (response.status_code, response.content_type) == (200, "application/json")
    document: Document = response.get_json()
    validate(document)
    return document


def operations(document: Document) -> Iterator[tuple[str, str, Operation]]:
    """Method, path and description of each operation."""
    for path, item in document["paths"].items():
        for method in item:
            assert method in METHODS
            yield method.upper(), path, item[method]


def template(rule: Rule) -> str:
    return re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", rule.rule)


def routes(app: Flask) -> set[tuple[str, str]]:
    """Counted without the help of what the document is made by."""
    return {
        (method, template(rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }


def resolved(document: Document, found: Any) -> Any:
    while "$ref" in found:
        _, _, kind, name = found["$ref"].split("/")
        found = document["components"][kind][name]
    return found


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    (tmp_path / "weigh_api.py").write_text(DECLARED)
    (tmp_path / "plain_api.py").write_text(PLAIN)
    return tmp_path


@pytest.fixture
def extended(manager: EmbeddedManager, plugins: Path) -> Document:
    """The document of an app with plugins."""
    return document_of(create_app(manager, [plugins]).test_client())


@pytest.fixture(params=["worker", "scheduler", "no adapter", "plugins"])
def any_app(request: pytest.FixtureRequest, plugins: Path) -> Iterator[InternalApp]:
    if request.param == "no adapter":
        yield create_app(None)
        return
    with make_manager(role="scheduler" if request.param == "scheduler" else "worker") as manager:
        yield create_app(manager, [plugins] if request.param == "plugins" else [])


def test_every_route_is_in_the_document_with_its_level(any_app: InternalApp) -> None:
    document = document_of(any_app.test_client())
    described = {(method, path): operation for method, path, operation in operations(document)}
    assert described.keys() == routes(any_app)
    for rule in any_app.url_map.iter_rules():
        for method in rule.methods or ():
            operation = described.get((method, template(rule)))
            if operation:
                level = required_access(any_app.view_functions[rule.endpoint], method, {})
                assert operation["x-access"] == str(level)
                assert ("security" in operation) == (level > Access.PUBLIC)
                assert str(level) in operation["description"] or level is Access.PUBLIC


def test_the_tags_tell_what_the_files_are_about(extended: Document) -> None:
    tags = {tag["name"]: tag["description"] for tag in extended["tags"]}
    assert tags["weigh"] == "Weigh things.\n\nIt is slow."
    assert tags["plain"] == ""
    assert tags["freeze"].startswith("Freeze mode")
    assert {tag for _, _, operation in operations(extended) for tag in operation["tags"]} == tags.keys()


def test_ids_are_unique(extended: Document) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(extended)]
    assert len(ids) == len(set(ids))
    assert {"freeze_enable", "plain_plain", "plain_plain_post", "plain_a_thing", "plain_a_thing_2"} <= set(ids)


def test_parameters_are_those_of_the_signature(extended: Document) -> None:
    weigh = extended["paths"]["/weigh/{number}/{name}"]["get"]
    assert weigh["summary"] == "Weigh one."
    assert weigh["description"] == "Slowly.\n\nEverybody may call it."
    assert weigh["parameters"] == [
        {"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}},
        {
            "name": "name",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": "^[^/]+$", "maxLength": 3},
        },
        {
            "name": "unit",
            "in": "query",
            "required": False,
            "schema": {"type": "string", "default": "g"},
            "description": "of the answer.",
        },
        {
            "name": "of",
            "in": "query",
            "required": False,
            "explode": False,
            "schema": {"type": "array", "items": {"type": "string"}},
        },
    ]


def test_bodies_are_those_of_the_signature(extended: Document) -> None:
    choose = extended["paths"]["/weigh/by"]["put"]
    assert choose["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Scale"}}},
    }
    scale = extended["components"]["schemas"]["Scale"]
    assert scale["required"] == ["name"]
    assert scale["properties"]["most"] == {"type": "integer", "minimum": 1, "maximum": 9, "default": 5}
    assert [(found["name"], found["schema"]) for found in choose["parameters"]] == [
        ("tag[]", {"type": "array", "items": {"type": "string"}}),
        ("for", {"type": "integer"}),
    ]
    form = extended["paths"]["/weigh/file"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"].keys() == {"file", "sheet"}
    assert form["required"] == ["file"]


def test_answers_have_schemas(extended: Document) -> None:
    weight = {"$ref": "#/components/schemas/Weight"}
    described = extended["components"]["schemas"]["Weight"]
    assert described["description"] == "What a thing weighs."
    assert described["properties"]["grams"] == {"description": "its weight, in grams.", "type": "number"}
    responses = extended["paths"]["/weigh/{number}/{name}"]["get"]["responses"]
    assert responses["200"]["content"] == {"application/json": {"schema": weight}}
    assert responses.keys() == {"200", "400", "403", "404", "500"}
    responses = extended["paths"]["/weigh/file"]["post"]["responses"]
    assert responses["200"]["content"] == {"application/json": {"schema": weight}}
    assert responses["404"]["content"] == {
        "application/json": {"schema": weight},
        "text/plain": {"schema": {"type": "string"}},
    }
    assert responses.keys() == {"200", "400", "401", "403", "404", "413", "500", "501", "503", "504"}
    responses = extended["paths"]["/weigh/by"]["put"]["responses"]
    assert responses.keys() == {"200", "400", "401", "403", "409", "413", "500", "501", "503", "504"}
    content = extended["paths"]["/weigh/page"]["get"]["responses"]["200"]["content"]
    assert content == {"text/html": {"schema": {"type": "string"}}, "text/css": {"schema": {"type": "string"}}}


def test_what_json_does_not_know_is_sent_as_text(extended: Document) -> None:
    content = extended["paths"]["/weigh/odd"]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"] == {"type": "object", "additionalProperties": {"type": "string"}}


@pytest.mark.parametrize("name", ["broken", "silent"])
def test_what_has_no_schema_may_be_anything(extended: Document, name: str) -> None:
    content = extended["paths"][f"/weigh/{name}"]["get"]["responses"]["200"]["content"]
    assert content == {"application/json": {"schema": {}}}


def test_nothing_is_said_of_what_a_view_makes_and_does_not_declare(extended: Document) -> None:
    assert "content" not in extended["paths"]["/weigh/response"]["get"]["responses"]["200"]


def test_a_plain_view_is_described_as_far_as_flask_knows_it(extended: Document) -> None:
    item = extended["paths"]["/plain/{a}/{b}/{c}/{d}/{e}"]
    assert (item["get"]["x-access"], item["post"]["x-access"]) == ("viewer", "admin")
    assert item["get"]["summary"] == "A plain Flask view."
    assert item["get"]["description"] == "It has more to say.\n\nNeeds the level viewer."
    assert {found["name"]: found["schema"] for found in item["get"]["parameters"]} == {
        "a": {"type": "integer"},
        "b": {"type": "number"},
        "c": {"type": "string", "format": "uuid"},
        "d": {"type": "string", "enum": ["x", "y"]},
        "e": {"type": "string"},
    }
    assert item["get"]["responses"].keys() == {"401", "403", "default"}
    assert "parameters" not in extended["paths"]["/plain/fixed"]["get"]


def test_a_get_that_writes_says_what_it_takes(client: FlaskClient) -> None:
    operation = document_of(client)["paths"]["/loglevel"]["get"]
    assert operation["x-access"] == "viewer"
    assert "With `level`, it changes something and needs the level operator." in operation["description"]


def test_without_tokens_none_is_needed(client: FlaskClient) -> None:
    document = document_of(client)
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["paths"]["/env"]["get"]["security"] == [{}, {"bearer": ["admin"]}]
    assert "401" not in document["paths"]["/metrics"]["get"]["responses"]
    assert "429" not in document["paths"]["/env"]["get"]["responses"]


def test_with_tokens_one_is_needed(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, reader="viewer")
    with app_with(token_file=str(path)) as app:
        assert app.test_client().get("/openapi.json").status_code == 401
        document = document_of(app.test_client(), headers=bearer(tokens["reader"]))
    assert document["paths"]["/env"]["get"]["security"] == [{"bearer": ["admin"]}]
    assert {"401", "429"} <= document["paths"]["/metrics"]["get"]["responses"].keys()
    assert "security" not in document["paths"]["/metrics"]["get"]


def test_the_server_is_where_the_app_is_mounted(app: InternalApp) -> None:
    assert document_of(app.test_client())["servers"] == [{"url": "/"}]
    mounted = Client(DispatcherMiddleware(Flask("host"), {"/lmcache": app.wsgi_app}))
    environ = app.test_client().environ_base
    response = mounted.get("/lmcache/openapi.json", environ_base=environ)
    assert response.json is not None
    validate(response.json)
    assert response.json["servers"] == [{"url": "/lmcache"}]
    assert "/conf" in response.json["paths"]


def test_a_route_that_comes_later_is_in_it(app: InternalApp) -> None:
    before = document_of(app.test_client())
    app.url_map.add(Rule("/later", endpoint="later", methods=["GET"]))  # As a script may do.
    app.view_functions["later"] = lambda: "later"
    after = document_of(app.test_client())
    assert after["paths"].keys() - before["paths"].keys() == {"/later"}
    assert after["paths"]["/later"]["get"]["operationId"]
