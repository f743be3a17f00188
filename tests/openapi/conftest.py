"""Apps and OpenAPI documents with a fully declared plugin and with an undeclared one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import create_app
from lmcache_internal.app import InternalApp
from tests.openapi.support import Document, document_of
from tests.support import make_manager

DECLARED = '''
"""Weigh things.

It is slow.
"""

from typing import Annotated, Any, TypedDict

from flask import Blueprint, Response
from lmcache_internal.api import Role, Content, JsonBody, Meta, Names, NotFound, OnWire, Struct, Upload, operation

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
    """A type without a JSON form."""


class Broken(TypedDict):
    """A type with an undefined annotation."""

    part: "Missing"


@router.get("/<int:number>/<name>")
@operation(action="weigh", access=Role.PUBLIC, errors=(NotFound,), cheap=True)
def weigh(number: int, name: Annotated[str, Meta(max_length=3)], unit: str = "g", of: Names | None = None) -> Weight:
    """Weigh one.

    Slowly.

    Args:
        unit: of the
            answer.
    """
    return {"grams": 1.0}


@router.put("/by")
@operation(action="choose a scale", exclusive=True)
def choose(scale: Scale, tags: Annotated[list[str], OnWire("tag[]")], for_: int | None = None) -> None:
    """Choose a scale."""


@router.post("/file")
@operation(action="weigh a file", errors=(Annotated[NotFound, Weight, str],))
def weigh_file(file: Upload, sheet: Upload | None = None) -> Annotated[Response, Weight]:
    """Weigh a file."""
    return Response("{}")


@router.get("/page")
@operation(action="show")
def page() -> Annotated[Response, Content("text/html", "text/css")]:
    return Response("")


@router.get("/odd")
@operation(action="be odd")
def odd() -> dict[str, Odd]:
    return {}


@router.get("/broken")
@operation(action="be broken")
def broken() -> Broken:
    return {}


@router.get("/silent")
@operation(action="say nothing of itself")
def silent():
    return {}


@router.get("/response")
@operation(action="answer by itself")
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


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("plugins")
    (directory / "weigh_api.py").write_text(DECLARED)
    (directory / "plain_api.py").write_text(PLAIN)
    return directory


@pytest.fixture(scope="module")
def document() -> Document:
    """The document of a worker's app; read-only."""
    with make_manager() as manager:
        return document_of(create_app(manager).test_client())


@pytest.fixture(scope="module")
def extended(plugins: Path) -> Document:
    """The document of an app with plugins; read-only."""
    with make_manager() as manager:
        return document_of(create_app(manager, [plugins]).test_client())


@pytest.fixture(params=["worker", "scheduler", "no adapter", "plugins"])
def any_app(request: pytest.FixtureRequest, plugins: Path) -> Iterator[InternalApp]:
    if request.param == "no adapter":
        yield create_app(None)
        return
    with make_manager(role="scheduler" if request.param == "scheduler" else "worker") as manager:
        yield create_app(manager, [plugins] if request.param == "plugins" else [])
