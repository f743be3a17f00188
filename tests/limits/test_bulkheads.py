"""Bulkheads: a plugin view that never returns blocks only a limited number of threads."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse

from lmcache_internal import create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.limits.bulkheads import MAX_REQUESTS_PER_VIEW
from lmcache_internal.limits.concurrency import LIMITS, MAX_LIMITED_REQUESTS
from lmcache_internal.serving.transport import MAX_THREADS
from lmcache_internal.settings import MOST_SCRIPTS
from tests.support import eventually, in_thread, make_manager

AFAR = {"REMOTE_ADDR": "10.0.0.1"}

PLUGIN = """
import functools

from flask import Blueprint, Response, abort, after_this_request, current_app, g, jsonify, request, session
from flask import stream_with_context
from flask.views import MethodView, View

from lmcache_internal.api import operation


def hang():
    current_app.state.entered.release()
    current_app.state.release.wait(30)
    return "released"


router = Blueprint("plain", __name__)
router.add_url_rule("/plain/function", "function", hang)
router.add_url_rule("/plain/variable/<int:number>", "variable", lambda number: hang())
router.post("/plain/post", endpoint="post")(hang)
router.add_url_rule("/plain/partial", "partial", functools.partial(lambda before: hang(), 1))


class Callable:
    def __call__(self):
        return hang()


class Dispatched(View):
    def dispatch_request(self):
        return hang()


class Methods(MethodView):
    def get(self):
        return hang()


def decorated(view):
    @functools.wraps(view)
    def wrapper(*arguments, **keywords):
        return view(*arguments, **keywords)
    return wrapper


def careless(view):
    return lambda: view()


router.add_url_rule("/plain/object", "object", Callable())
router.add_url_rule("/plain/view", view_func=Dispatched.as_view("view"))
router.add_url_rule("/plain/methods", view_func=Methods.as_view("methods"))
router.add_url_rule("/plain/decorated", "decorated", decorated(hang))
router.add_url_rule("/plain/cheap", "cheap", operation(action="hang", cheap=True)(hang))
router.add_url_rule("/plain/careless", "careless", careless(operation(action="hang", cheap=True)(hang)))

nested = Blueprint("nested", __name__, url_prefix="/nested")
nested.add_url_rule("/function", "function", hang)
router.register_blueprint(nested)


@router.get("/plain/quick")
def quick():
    return "quick"
"""

HOOKED = '''
from flask import Blueprint, request
from lmcache_internal.api import internal_app, operation

router = Blueprint("hooked", __name__)


def hang_if(where):
    if request.args.get("hang") == where:
        internal_app().state.entered.release()
        internal_app().state.release.wait(30)


@router.url_value_preprocessor
def preprocess(endpoint, values):
    hang_if("preprocess")


@router.before_request
def before():
    hang_if("before")


@router.after_request
def after(response):
    hang_if("after")
    return response


@router.teardown_request
def teardown(error):
    hang_if("teardown")


@router.get("/hooked/plain")
def plain():
    return "plain"


@router.get("/hooked/operation")
@operation(action="call the engine")
def called(hang: str = "") -> str:
    """Has a limit and a timeout of its own."""
    return "operation"


@router.get("/hooked/cheap")
@operation(action="look", cheap=True)
def cheap(hang: str = "") -> str:
    """Has neither."""
    return "cheap"
'''

OPERATIONS = '''
from flask import Blueprint, Response
from lmcache_internal.api import internal_app, operation

router = Blueprint("operations", __name__)


def hang() -> str:
    """Wait for the test."""
    internal_app().state.entered.release()
    internal_app().state.release.wait(30)
    return "released"


for name in "abcdefg":
    router.get(f"/cheap/{name}", endpoint=name)(operation(action="hang cheaply", cheap=True)(hang))
router.get("/called", endpoint="called")(operation(action="call the engine")(hang))


@router.get("/cheap/stream")
@operation(action="send piece by piece", cheap=True)
def stream() -> Response:
    """Hang after the first piece."""
    state = internal_app().state

    def pieces():
        yield b"first"
        state.entered.release()
        state.release.wait(30)
        yield b"second"

    return Response(pieces())


@router.get("/cheap/closing")
@operation(action="hang on close", cheap=True)
def closing() -> Response:
    """Hang at the end of the stream."""
    state = internal_app().state

    class Pieces:
        def __iter__(self):
            return iter([b"all"])

        def close(self):
            state.entered.release()
            state.release.wait(30)

    return Response(Pieces())


@router.get("/cheap/callback")
@operation(action="hang after the response", cheap=True)
def callback() -> Response:
    """Hang in a callback."""
    state = internal_app().state
    response = Response("all")

    @response.call_on_close
    def hang() -> None:
        state.entered.release()
        state.release.wait(30)

    return response
'''

SEMANTICS = """
from flask import Blueprint, Response, abort, after_this_request, current_app, g, jsonify, make_response, redirect
from flask import request, send_file, stream_with_context, url_for

router = Blueprint("meaning", __name__)
torn = []


@router.before_request
def before():
    g.seen = [f"before {request.args.get('n')}"]
    if request.args.get("early"):
        return "early"


@router.after_request
def after(response):
    if request.args.get("after") == "fails":
        raise RuntimeError("in a hook")
    response.headers["X-Seen"] = ",".join(g.seen)
    return response


@router.teardown_request
def teardown(error):
    torn.append((request.path, g.pop("seen", None) is not None))


@router.errorhandler(KeyError)
def missing(error):
    return f"missing {error}", 410


@router.get("/seen")
def seen():
    g.seen.append("view")

    @after_this_request
    def mark(response):
        response.headers["X-Marked"] = "yes"
        return response

    return "seen"


@router.get("/torn")
def list_torn():
    return jsonify(torn)


@router.get("/context")
def with_context():
    g.word = "word"

    def pieces():
        yield request.args["n"]
        yield g.word

    return Response(stream_with_context(pieces()))


@router.get("/generator")
def generator():
    def pieces():
        yield "a"
        yield "b"
    return pieces(), 201, {"X-Own": "1"}


@router.get("/broken")
def broken():
    def pieces():
        yield b"a" * 1000
        raise ValueError("midway")
    return Response(pieces())


@router.get("/closed")
def closed():
    def pieces():
        try:
            for number in range(1000):
                yield b"x" * 1000
        finally:
            current_app_state.closed += 1
    current_app_state = current_app._get_current_object().state
    return Response(pieces())


@router.route("/body", methods=["POST", "PUT"])
def body():
    how = request.args["how"]
    if how == "stream":
        return request.stream.read()
    if how == "pieces":
        return b"".join(iter(lambda: request.stream.read(3), b""))
    if how == "input":
        return request.environ["wsgi.input"].read()
    if how == "data":
        return request.get_data()
    if how == "json":
        return jsonify(request.get_json())
    if how == "form":
        return jsonify(form=request.form, files={name: file.read().decode() for name, file in request.files.items()})
    return "ignored"


@router.get("/raise/<what>")
def failing(what):
    if what == "abort":
        abort(418)
    if what == "key":
        raise KeyError("key")
    if what == "none":
        return None
    if what == "exit":
        raise SystemExit(3)
    if what == "redirect":
        return redirect(url_for(".seen"))
    raise RuntimeError("on purpose")


@router.get("/file")
def file():
    return send_file(__file__, mimetype="text/x-python")
"""

PLAIN = [
    "/plain/function", "/plain/variable/5", "/plain/partial", "/plain/object", "/plain/view", "/plain/methods",
    "/plain/decorated", "/plain/careless", "/nested/function", "/plain/cheap",
]  # fmt: skip


class Serving:
    """An app with plugins, and an event that blocks their views."""

    def __init__(self, app: InternalApp) -> None:
        assert app.extensions["lmcache_internal"].failed == {}
        self.app = app
        app.state.entered = threading.Semaphore(0)
        app.state.release = threading.Event()
        self._hanging: list[tuple[threading.Thread, list[int]]] = []

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def hang(self, path: str, count: int = MAX_REQUESTS_PER_VIEW) -> None:
        """Send that many requests, and wait until all of them are blocked."""
        self._hanging += [in_thread(lambda: self._read(path)) for _ in range(count)]
        for _ in range(count):
            assert self.app.state.entered.acquire(timeout=10)

    def _read(self, path: str) -> int:
        with self.client.get(path) as response:
            assert response.data
            return response.status_code

    def end(self) -> list[int]:
        """Unblock the views; return the statuses."""
        self.app.state.release.set()
        for thread, _ in self._hanging:
            thread.join()
        assert eventually(lambda: not any("(stuck since" in thread.name for thread in threading.enumerate()))
        return [statuses[0] for _, statuses in self._hanging]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("plugins")
    for name, source in (("plain", PLUGIN), ("hooked", HOOKED), ("operations", OPERATIONS), ("meaning", SEMANTICS)):
        (directory / f"{name}_api.py").write_text(source)
    return directory


@pytest.fixture(scope="module")
def patient_app(plugins: Path) -> Iterator[InternalApp]:
    with make_manager() as manager:
        yield create_app(manager, [plugins])


@pytest.fixture(scope="module")
def impatient_app(plugins: Path) -> Iterator[InternalApp]:
    with make_manager(extra_config={"internal_api_server_call_timeout": 0.1}) as manager:
        yield create_app(manager, [plugins])


@pytest.fixture
def serving(patient_app: InternalApp) -> Iterator[Serving]:
    made = Serving(patient_app)
    yield made
    made.end()


@pytest.fixture
def impatient(impatient_app: InternalApp) -> Iterator[Serving]:
    """An app with a call timeout of a tenth of a second."""
    made = Serving(impatient_app)
    yield made
    made.end()


@pytest.fixture
def meaning(patient_app: InternalApp) -> InternalApp:
    patient_app.state.closed = 0
    return patient_app


def test_limits_leave_threads_for_requests_without_a_limit() -> None:
    assert MAX_LIMITED_REQUESTS + MOST_SCRIPTS <= MAX_THREADS - 8
    assert 2 * MAX_REQUESTS_PER_VIEW < LIMITS["plugin"] < MAX_LIMITED_REQUESTS


class TestTimeout:
    @pytest.mark.parametrize("path", PLAIN)
    def test_a_plain_view_of_any_kind_times_out(self, impatient: Serving, path: str) -> None:
        response = impatient.client.get(path)
        assert response.status_code == 504
        assert response.get_json()["error"] == "Timed out"
        assert re.search(r"GET /.* has been stuck .*since .* \(0\.1 s\)", response.get_json()["message"])
        assert impatient.client.get("/plain/quick").text == "quick"

    @pytest.mark.parametrize("path", PLAIN)
    def test_after_several_stuck_calls_the_next_is_not_started(self, impatient: Serving, path: str) -> None:
        stuck = [in_thread(lambda: impatient.client.get(path).status_code) for _ in range(4)]
        for thread, statuses in stuck:
            thread.join()
            assert statuses == [504]
        begun = impatient.app.state.entered._value
        refused = impatient.client.get(path)
        assert (refused.status_code, impatient.app.state.entered._value) == (504, begun)
        assert "another was not started" in refused.get_json()["message"]
        assert "\nlmcache_internal:stuck_calls 4.0\n" in impatient.client.get("/metrics").text
        assert sum("(stuck since" in thread.name for thread in threading.enumerate()) == 4
        impatient.app.state.release.set()
        assert eventually(lambda: "released" in impatient.client.get(path).text)

    def test_a_change_that_times_out_is_audited(self, impatient: Serving) -> None:
        assert impatient.client.post("/plain/post").status_code == 504
        entry = impatient.client.get("/audit").get_json()[-1]
        assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/plain/post", 504)

    @pytest.mark.parametrize("view", ["plain", "operation", "cheap"])
    @pytest.mark.parametrize("hook", ["preprocess", "before"])
    def test_hooks_before_the_view_time_out(self, impatient: Serving, view: str, hook: str) -> None:
        response = impatient.client.get(f"/hooked/{view}?hang={hook}")
        assert response.status_code == 504
        assert re.search(rf"run {hook}\w* of hooked has been stuck", response.get_json()["message"])
        assert impatient.client.get(f"/hooked/{view}").status_code == 200


class TestSlots:
    @pytest.mark.parametrize("path", [*PLAIN, "/cheap/a", "/cheap/stream", "/cheap/closing", "/cheap/callback"])
    def test_a_request_above_the_limit_is_refused_at_once_and_names_the_running_ones(
        self, serving: Serving, path: str
    ) -> None:
        serving.hang(path)
        refused = serving.client.get(path)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert (
            f"{MAX_REQUESTS_PER_VIEW} such requests are running, the oldest: answer GET /"
            in refused.get_json()["message"]
        )
        for other in ("/plain/quick", "/hooked/plain", "/hooked/cheap", "/hooked/operation", "/conf", "/livez"):
            assert serving.client.get(other).status_code == 200, other
        assert set(serving.end()) == {200}
        assert serving.client.get(path).status_code == 200

    @pytest.mark.parametrize("view", ["plain", "cheap"])
    @pytest.mark.parametrize("hook", ["preprocess", "before", "after", "teardown"])
    def test_a_hook_that_hangs_uses_only_the_slots_of_its_view(self, serving: Serving, view: str, hook: str) -> None:
        serving.hang(f"/hooked/{view}?hang={hook}")
        assert serving.client.get(f"/hooked/{view}").status_code == 503
        assert serving.client.get("/plain/quick").text == "quick"
        serving.end()
        assert serving.client.get(f"/hooked/{view}").status_code == 200

    def test_a_call_into_the_engine_uses_the_limit_that_its_view_declares(self, serving: Serving) -> None:
        serving.hang("/called", LIMITS["engine"])
        assert serving.client.get("/called").status_code == 503
        assert serving.client.get("/hooked/operation").status_code == 503
        assert serving.client.get("/hooked/cheap").status_code == 200
        assert set(serving.end()) == {200}

    def test_all_plugin_views_together_have_a_limit(self, serving: Serving) -> None:
        for name in "abcd":
            serving.hang(f"/cheap/{name}")
        for path in ("/cheap/e", "/plain/quick", "/hooked/plain"):
            assert serving.client.get(path).status_code == 503
        for path in ("/conf", "/threads", "/metrics", "/backends", "/livez", "/hooked/operation"):
            assert serving.client.get(path).status_code == 200, path
        serving.end()
        assert serving.client.get("/cheap/e").status_code == 200

    def test_an_unauthorized_caller_is_refused_before_a_slot_is_acquired(self, serving: Serving) -> None:
        serving.hang("/plain/function")
        assert serving.client.get("/plain/function", environ_base=AFAR).status_code == 401
        serving.app.state.release.set()
        for hook in ("preprocess", "before"):
            assert serving.client.get(f"/hooked/plain?hang={hook}", environ_base=AFAR).status_code == 401
        assert not serving.app.state.entered.acquire(blocking=False)

    @pytest.mark.parametrize("path", ["/plain/nothing", "/plain/variable/x", "/plain/post"])
    def test_a_path_without_a_view_uses_no_slot(self, serving: Serving, path: str) -> None:
        for _ in range(2 * MAX_REQUESTS_PER_VIEW):
            assert serving.client.get(path).status_code in (404, 405)
        assert serving.client.get("/plain/quick").status_code == 200


class TestFlaskBehavior:
    """A plain view behaves as in Flask, although another thread calls it."""

    def test_hooks_and_view_share_g(self, meaning: InternalApp) -> None:
        response = meaning.test_client().get("/seen?n=5")
        assert response.text == "seen"
        assert (response.headers["X-Seen"], response.headers["X-Marked"]) == ("before 5,view", "yes")
        assert meaning.test_client().get("/torn").get_json()[-1] == ["/seen", True]

    def test_the_return_value_of_a_hook_is_the_response(self, meaning: InternalApp) -> None:
        response = meaning.test_client().get("/seen?early=1&n=5")
        assert (response.text, response.headers["X-Seen"]) == ("early", "before 5")

    def test_a_test_client_can_preserve_the_context_after_the_request(self, meaning: InternalApp) -> None:
        from flask import g, request

        with meaning.test_client() as client:
            client.get("/seen?n=5")
            assert request.args["n"] == "5"
            assert not hasattr(g, "seen")  # The teardown has run.

    def test_streams_keep_their_context(self, meaning: InternalApp) -> None:
        client = meaning.test_client()
        for number in range(2 * MAX_REQUESTS_PER_VIEW):
            assert client.get(f"/context?n={number}").text == f"{number}word"
        response = client.get("/generator")
        assert (response.text, response.status_code, response.headers["X-Own"]) == ("ab", 201, "1")

    @pytest.mark.parametrize(
        ("what", "status", "text"),
        [
            ("abort", 418, "teapot"),
            ("key", 410, "missing 'key'"),
            ("none", 500, "Internal Server Error"),
            ("other", 500, "Unexpected error"),
            ("redirect", 302, "/seen"),
        ],
    )
    def test_exceptions_are_answered_as_in_flask(self, meaning: InternalApp, what: str, status: int, text: str) -> None:
        for _ in range(2 * MAX_REQUESTS_PER_VIEW):
            response = meaning.test_client().get(f"/raise/{what}")
            assert response.status_code == status
            assert text in response.text

    def test_an_exception_that_flask_does_not_answer_releases_its_slot(self, meaning: InternalApp) -> None:
        for _ in range(2 * MAX_REQUESTS_PER_VIEW):
            with pytest.raises(SystemExit):
                meaning.test_client().get("/raise/exit")

    def test_head_options_and_files(self, meaning: InternalApp) -> None:
        client = meaning.test_client()
        for _ in range(2 * MAX_REQUESTS_PER_VIEW):
            assert client.head("/seen").status_code == 200
            assert client.head("/context?n=1").status_code == 200
            assert client.options("/seen").headers["Allow"]
            with client.get("/file") as response:
                assert response.get_data(as_text=True) == SEMANTICS

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    @pytest.mark.parametrize("how", ["stream", "pieces", "input", "data", "ignored"])
    def test_a_body_can_be_read_in_any_way(self, meaning: InternalApp, how: str, method: str) -> None:
        response = meaning.test_client().open(f"/body?how={how}", method=method, data=b"some bytes")
        assert response.data == (b"ignored" if how == "ignored" else b"some bytes")

    def test_forms_and_json(self, meaning: InternalApp) -> None:
        client = meaning.test_client()
        assert client.post("/body?how=json", json={"a": 1}).get_json() == {"a": 1}
        data: dict[str, Any] = {"a": "1", "f": (BytesIO(b"content"), "f.txt")}
        assert client.post("/body?how=form", data=data).get_json() == {"form": {"a": "1"}, "files": {"f": "content"}}

    def test_a_body_that_is_too_large_is_a_413(self, meaning: InternalApp) -> None:
        assert meaning.test_client().post("/body?how=ignored", data=bytes((1 << 20) + 1)).status_code == 413
        assert meaning.test_client().post("/body?how=data", data=bytes(1 << 20)).status_code == 200


Consume = Callable[[TestResponse], object]


class TestStreams:
    """A stream holds its slot until it ends, however it ends."""

    @pytest.mark.parametrize(
        "consume",
        [
            pytest.param(lambda response: response.data, id="read"),
            pytest.param(lambda response: response.close(), id="closed"),
            pytest.param(lambda response: (next(response.iter_encoded()), response.close()), id="closed midway"),
            pytest.param(lambda _: None, id="forgotten"),
        ],
    )
    def test_the_slot_is_released_at_the_end(self, meaning: InternalApp, consume: Consume) -> None:
        client = meaning.test_client()
        for _ in range(2 * MAX_REQUESTS_PER_VIEW):
            response = client.get("/closed")
            assert response.status_code == 200
            consume(response)
            del response
        assert meaning.state.closed == 2 * MAX_REQUESTS_PER_VIEW

    def test_the_slot_is_held_while_the_stream_is_read(self, meaning: InternalApp) -> None:
        client = meaning.test_client()
        streams = [client.get("/closed") for _ in range(MAX_REQUESTS_PER_VIEW)]
        assert client.get("/closed").status_code == 503
        streams.pop().close()
        assert client.get("/closed").status_code == 200
        for stream in streams:
            stream.close()

    def test_a_stream_that_fails_releases_its_slot(self, meaning: InternalApp) -> None:
        client = meaning.test_client()
        for _ in range(2 * MAX_REQUESTS_PER_VIEW):
            with pytest.raises(ValueError, match="midway"):
                assert client.get("/broken").data

    @pytest.mark.parametrize(("path", "status"), [("/seen", 200), ("/seen?after=fails", 500)])
    def test_other_responses_hold_no_slot_even_if_nobody_reads_them(
        self, meaning: InternalApp, path: str, status: int
    ) -> None:
        client = meaning.test_client()
        assert {response.status_code for response in [client.get(path) for _ in range(2 * MAX_REQUESTS_PER_VIEW)]} == {
            status
        }


def test_a_body_is_complete_before_the_timeout_starts(impatient: Serving) -> None:
    """A thread that has timed out must not read from a connection that the server uses for the next request."""
    reading = BytesIO(b"0123456789")
    builder = EnvironBuilder("/plain/post", method="POST", input_stream=reading, headers=[("Content-Length", "10")])
    environ = builder.get_environ()
    assert impatient.client.open(environ).status_code == 504
    assert reading.tell() == 10
