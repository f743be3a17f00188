"""`@operation` turns what an endpoint returns or raises into a response."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Response
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.errors import BadRequest, EngineUnavailable
from lmcache_internal.operations.operation import MAX_MESSAGE
from tests.support import eventually, make_manager

PLUGIN = '''
from flask import Blueprint, abort
from lmcache_internal.api import adapter, internal_app, operation

router = Blueprint("work", __name__)

def work() -> object:
    """Call the function that the test sets."""
    return internal_app().state.work()

for media in ("json", "pretty", "text", "text-json"):
    router.get(f"/{media}", endpoint=media)(operation(action="do it", media=media)(work))
router.get("/spoken", endpoint="spoken")(operation(action="do it", as_text="I say {}".format)(work))
router.get("/cheap", endpoint="cheap")(operation(action="do it", cheap=True)(work))
router.get("/hasty", endpoint="hasty")(operation(action="do it", timeout=0.05)(work))
router.get("/teapot", endpoint="teapot")(operation(action="do it")(lambda: abort(418)))

@router.get("/counted")
@operation(action="count", cheap=True)
def counted(number: int) -> int:
    """Require an argument, then an engine."""
    adapter()
    return number
'''

Work = Callable[[], object]
DATA = {"a": [1, None], "b": "ü"}


@pytest.fixture
def app(manager: EmbeddedManager, tmp_path: Path) -> InternalApp:
    (tmp_path / "work_api.py").write_text(PLUGIN)
    return create_app(manager, [tmp_path])


@pytest.fixture
def working(app: InternalApp, client: FlaskClient) -> Callable[[Work], FlaskClient]:
    """Return the client of an app with a plugin that calls `work`."""

    def made(work: Work) -> FlaskClient:
        app.state.work = work
        return client

    return made


Working = Callable[[Work], FlaskClient]


def stuck_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "stuck" in thread.name]


def raising(error: BaseException) -> Work:
    def work() -> object:
        raise error

    return work


@pytest.mark.parametrize(
    ("media", "content_type", "text"),
    [
        ("json", "application/json", '{"a":[1,null],"b":"ü"}'),
        ("pretty", "application/json", '{\n  "a": [\n    1,\n    null\n  ],\n  "b": "ü"\n}'),
        ("text-json", "text/plain; charset=utf-8", '{\n  "a": [\n    1,\n    null\n  ],\n  "b": "ü"\n}'),
        ("text", "text/plain; charset=utf-8", "{'a': [1, None], 'b': 'ü'}"),
    ],
)
def test_data_is_sent_in_declared_format(working: Working, media: str, content_type: str, text: str) -> None:
    response = working(lambda: DATA).get(f"/{media}")
    assert (response.status_code, response.content_type, response.text) == (200, content_type, text)


@pytest.mark.parametrize("path", ["/json", "/text", "/spoken", "/cheap"])
def test_response_object_is_unchanged(working: Working, path: str) -> None:
    made = Response("as it is", 207, {"X-Mine": "yes"}, content_type="text/x-mine")
    response = working(lambda: made).get(path)
    assert (response.status_code, response.text) == (207, "as it is")
    assert (response.headers["X-Mine"], response.content_type) == ("yes", "text/x-mine")


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        (None, False),
        ("*/*", False),
        ("text/html,*/*;q=0.8", False),
        ("application/*", False),
        ("application/json", True),
        ("application/json, text/plain, */*", True),
        ("text/plain, application/json;q=0.5", False),
        ("text/plain;q=0.5, application/json", True),
    ],
)
def test_text_is_sent_unless_json_is_requested(working: Working, accept: str | None, is_json: bool) -> None:
    headers = {} if accept is None else {"Accept": accept}
    response = working(lambda: 7).get("/spoken", headers=headers)
    kind, text = ("application/json", "7") if is_json else ("text/plain; charset=utf-8", "I say 7")
    assert (response.content_type, response.text) == (kind, text)


def test_cheap_operation_of_plugin_has_timeout_of_plain_view(working: Working) -> None:
    response = working(lambda: threading.current_thread().name).get("/cheap")
    assert response.get_json() == "call: GET /cheap"


def test_other_operation_runs_in_named_thread(working: Working) -> None:
    response = working(lambda: threading.current_thread().name).get("/json")
    assert response.get_json() == "call: do it"


def test_operation_timeout_overrides_default(working: Working) -> None:
    release = threading.Event()
    response = working(lambda: release.wait(10)).get("/hasty")
    release.set()
    assert eventually(lambda: not stuck_threads())
    assert response.status_code == 504
    assert "(0.05 s)" in response.get_json()["message"]


@pytest.mark.parametrize(("seconds", "takes", "status"), [(0.05, 30, 504), (20, 0.1, 200)])
def test_default_timeout_comes_from_config(tmp_path: Path, seconds: float, takes: float, status: int) -> None:
    (tmp_path / "work_api.py").write_text(PLUGIN)
    release = threading.Event()
    with make_manager(extra_config={"internal_api_server_call_timeout": seconds}) as manager:
        app = create_app(manager, [tmp_path])
        app.state.work = lambda: release.wait(takes)
        assert app.test_client().get("/json").status_code == status
    release.set()
    assert eventually(lambda: not stuck_threads())


def test_arguments_are_checked_before_engine(app: InternalApp, client: FlaskClient) -> None:
    del app.state.lmcache_adapter
    assert [client.get(f"/counted?number={number}").status_code for number in ("x", "1")] == [400, 503]


class Old:
    """An engine without newer attributes."""


@pytest.mark.parametrize("name", ["is_frozen", "list_backends", "get_inference_info", "lookup_client", "role"])
@pytest.mark.parametrize("path", ["/json", "/cheap"])
def test_missing_engine_attribute_gets_501(working: Working, path: str, name: str) -> None:
    response = working(lambda: getattr(Old(), name)).get(path)
    assert (response.status_code, response.content_type) == (501, "application/json")
    assert response.get_json()["error"] == "Not supported by this engine"
    assert response.get_json()["message"].startswith(f"Old has no {name} in this engine version")


@pytest.mark.parametrize(
    ("owner", "name", "message"),
    [
        (Old(), "frozen", "'Old' object has no attribute 'frozen'"),
        (None, "is_frozen", "'NoneType' object has no attribute 'is_frozen'"),
        ([], "size", "'list' object has no attribute 'size'"),
    ],
)
def test_other_attribute_error_gets_500(working: Working, owner: Any, name: str, message: str) -> None:
    response = working(lambda: getattr(owner, name)).get("/json")
    assert (response.status_code, response.get_json()) == (500, {"error": "Failed to do it", "message": message})


def test_attribute_error_without_object_gets_500(working: Working) -> None:
    assert working(raising(AttributeError("is_frozen"))).get("/json").status_code == 500


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("redis://user:s3cret@host is gone"), "redis://***@host is gone"),
        (KeyError("x"), "'x'"),
        (TimeoutError(), "Exception type: TimeoutError"),
        (SystemExit(3), "3"),
        (GeneratorExit(), "Exception type: GeneratorExit"),
    ],
)
@pytest.mark.parametrize("path", ["/json", "/text", "/cheap"])
def test_any_exception_gets_500_with_failed_action(
    working: Working, caplog: pytest.LogCaptureFixture, path: str, error: BaseException, message: str
) -> None:
    response = working(raising(error)).get(path)
    assert (response.status_code, response.content_type) == (500, "application/json")
    assert response.get_json() == {"error": "Failed to do it", "message": message}
    assert any(record.exc_info and record.exc_info[1] is error for record in caplog.records)


@pytest.mark.parametrize("path", ["/json", "/cheap"])
def test_api_error_keeps_its_status(working: Working, path: str) -> None:
    for error in (BadRequest("it is wrong", title="Wrong"), EngineUnavailable("it is not there", title="Away")):
        response = working(raising(error)).get(path)
        assert (response.status_code, response.get_json()) == (error.status, error.payload)


def test_abort_keeps_its_status(client: FlaskClient) -> None:
    assert client.get("/teapot").status_code == 418


def test_data_without_json_form_becomes_text(working: Working) -> None:
    assert working(lambda: {"path": Path("/x"), "nan": float("nan")}).get("/json").get_json() == {
        "path": "/x",
        "nan": None,
    }


def test_long_engine_message_is_truncated(working: Working) -> None:
    response = working(raising(ValueError("x" * 1_000_000))).get("/json")
    assert response.status_code == 500
    assert response.get_json()["message"] == "x" * MAX_MESSAGE + "…"
