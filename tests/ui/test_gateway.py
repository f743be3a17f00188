"""The gateway of `lmcache-internal ui`: who is admitted, what it forwards, and what ranks can do to it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.cli import answers
from lmcache_internal.cli.sources import Source
from lmcache_internal.cli.ui import proxy
from lmcache_internal.cli.ui import ranks as polling
from lmcache_internal.cli.ui.login import MAX_SESSIONS, Login
from lmcache_internal.cli.ui.ranks import SLOTS
from lmcache_internal.cli.ui.state import KEY, Gateway
from tests.cli.conftest import Fleet, StartFleet, fleets_in
from tests.cli.log_servers import LogServer, log_server
from tests.cli.test_hostile import EVIL, FORGES, lying
from tests.http_server import Asked, Reply, responding
from tests.mp_support import mp_manager
from tests.security.support import serving, token_file
from tests.support import eventually, free_port, make_manager, takes_less
from tests.ui.fleet_support import gateway_client, logged_in, searching

TIMEOUTS = {name: getattr(polling, name) for name in ("FETCH_SECONDS", "WAIT_SECONDS", "SLOW_SECONDS")}
"""Those of the gateway; the tests have longer ones."""
PATHS = ["/", "/ui/fleet/main.js", "/fleet/poll", "/fleet/conf", "/fleet/threads", "/rank/0/ui", "/rank/0/conf"]
POSTS = [
    "/fleet/conf/check",
    "/fleet/apply",
    "/fleet/explain",
    "/fleet/loglevel/check",
    "/rank/0/conf",
    "/rank/0/run_script",
]


@pytest.fixture(scope="module")
def client(ranks: Fleet) -> FlaskClient:
    return logged_in([ranks.url(index) for index in range(5)])


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[StartFleet]:
    with fleets_in(tmp_path) as start:
        yield start


@pytest.mark.parametrize(("method", "path"), [*(("GET", path) for path in PATHS), *(("POST", path) for path in POSTS)])
@pytest.mark.parametrize("cookie", [None, "", "x" * 43, "\xff"])
def test_without_a_session_nothing_is_served(ranks: Fleet, method: str, path: str, cookie: str | None) -> None:
    stranger = gateway_client([ranks.url(0)])
    headers = {} if cookie is None else {"Cookie": f"lmcache-internal-ui-8765={cookie}"}
    response = stranger.open(path, method=method, headers=headers)
    assert response.status_code == 401
    assert "login link" in response.get_json()["message"]


def test_a_login_link_works_once_and_sets_a_strict_cookie() -> None:
    login = Login()
    client = gateway_client([], login=login)
    token = login.token
    assert client.head(f"/login?token={token}").status_code == 403
    response = client.get(f"/login?token={token}", headers={"Sec-Fetch-Site": "cross-site"})
    cookie = response.headers["Set-Cookie"]
    assert response.status_code == 200
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Domain" not in cookie
    assert client.get("/").status_code == 200
    for stale in (token, "", "x", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")):
        assert client.get("/login", query_string={"token": stale}).status_code == 403
    assert login.token != token


def test_the_oldest_session_ends_when_there_are_too_many() -> None:
    login = Login()
    sessions = [str(login.exchange(login.token)) for _ in range(MAX_SESSIONS + 1)]
    assert [login.admits(session) for session in sessions] == [False, *[True] * MAX_SESSIONS]
    assert not login.admits("")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"])
@pytest.mark.parametrize("path", ["/", "/login", "/fleet/poll", "/rank/0/conf"])
def test_a_host_that_is_not_loopback_is_refused(client: FlaskClient, host: str, path: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765"])
def test_a_loopback_host_is_admitted(client: FlaskClient, host: str) -> None:
    client.set_cookie("lmcache-internal-ui-8765", session_of(client), domain=host.rpartition(":")[0].strip("[]"))
    assert client.get("/ui/icon.svg", headers={"Host": host}).status_code in (200, 401)


def session_of(client: FlaskClient) -> str:
    cookie = client.get_cookie("lmcache-internal-ui-8765")
    assert cookie is not None
    return cookie.value


SITES: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},  # Another port of loopback: the browser sends the cookie there.
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost:9999"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", SITES, ids=str)
@pytest.mark.parametrize(("method", "path"), [("GET", "/fleet/poll"), ("GET", "/rank/0/conf"), ("POST", POSTS[0])])
def test_a_page_of_another_site_is_refused_even_with_the_cookie(
    client: FlaskClient, headers: dict[str, str], method: str, path: str
) -> None:
    assert client.open(path, method=method, headers=headers).status_code == 403


def test_a_form_of_the_same_site_cannot_change_anything(client: FlaskClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        response = client.post(
            POSTS[0], data='{"values":{"a":1}}', content_type=kind, headers={"Origin": "http://localhost"}
        )
        assert response.status_code == 403


def test_the_pages_have_a_strict_policy(client: FlaskClient) -> None:
    for path in ("/", "/rank/1/ui"):
        policy = client.get(path).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy


@contextmanager
def recording(media_type: str = "text/html") -> Iterator[tuple[str, list[tuple[str, str, dict[str, str]]]]]:
    """A rank that records what it gets, and responds with a page whose script must not run."""
    seen: list[tuple[str, str, dict[str, str]]] = []
    headers = {
        "Content-Type": media_type,
        "Set-Cookie": "lmcache-internal-ui-8765=stolen; Path=/",
        "Access-Control-Allow-Origin": "*",
        "Content-Security-Policy": "default-src *",
    }

    def respond(asked: Asked) -> Reply:
        seen.append((asked.method, asked.path, asked.headers))
        return Reply(200, "<script>alert(1)</script>", headers)

    with responding(respond) as url:
        yield url, seen


@pytest.mark.parametrize("media_type", ["text/html", "text/javascript", "image/svg+xml", "application/xhtml+xml", ""])
def test_a_response_of_a_rank_is_never_a_page_or_a_script(media_type: str) -> None:
    with recording(media_type) as (url, _):
        for path in ("/rank/0/x", "/rank/0/ui/evil.js", "/rank/0/docs/page.js"):
            response = logged_in([url]).get(path)
            assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers.getlist("Content-Security-Policy")[0].startswith("default-src 'none'")
            assert len(response.headers.getlist("Content-Security-Policy")) == 1
            assert not {"Set-Cookie", "Access-Control-Allow-Origin"} & set(response.headers.keys())


def test_the_scripts_of_the_page_of_a_rank_come_from_the_gateway() -> None:
    with recording() as (url, seen):
        client = logged_in([url])
        assert b"new Client" in client.get("/rank/0/ui/main.js").data
        assert f'data-base="{url}"'.encode() in client.get("/rank/0/ui").data
    assert seen == []


def test_the_gateway_adds_its_token_and_passes_no_credentials_of_the_browser() -> None:
    with recording() as (url, seen):
        client = logged_in([url], token="secret-token")  # A test's.
        client.get("/rank/0/a%2Fb?x=%26&y=1", headers={"Authorization": "Bearer browser", "X-Forwarded-For": "1.2.3.4"})
        response = client.post("/rank/0/conf", json={"a": 1}, headers={"If-Match": '"1"'})
    (_, path, first), (_, _, second) = seen
    assert path == "/a%2Fb?x=%26&y=1"
    assert first["authorization"] == second["authorization"] == "Bearer secret-token"
    assert second["if-match"] == '"1"'
    assert second["content-type"] == "application/json"
    assert not {"cookie", "x-forwarded-for", "origin"} & (first.keys() | second.keys())
    assert "secret-token" not in response.text


@pytest.mark.parametrize(
    "path",
    [
        "/rank/0//127.0.0.1:1/x",
        "/rank/0/@127.0.0.1:1/",
        "/rank/0/http://127.0.0.1:1/",
        "/rank/0/../../x",
        "/rank/0/%00",
    ],
)
def test_no_path_leads_to_a_target_that_is_not_listed(path: str) -> None:
    with recording() as (url, seen):
        response = logged_in([url]).get(path)
        # It arrived at the listed target, or nowhere.
        assert response.status_code in (308, 400, 404, 502) or len(seen) == 1, response


@pytest.mark.parametrize("number", ["1", "99", "-1", "x", "10000000000000000000000"])
def test_a_rank_that_is_not_listed_is_not_found(number: str) -> None:
    with recording() as (url, seen):
        for path in ("ui", "conf", "docs"):
            assert logged_in([url]).get(f"/rank/{number}/{path}").status_code == 404
    assert seen == []


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    assert client.post("/rank/0/conf", data=b"x" * ((16 << 20) + 1)).status_code == 413


@pytest.mark.parametrize("name", FORGES)
def test_whatever_a_rank_answers_costs_its_own_row(ranks: Fleet, name: str) -> None:
    with create_server() as app, lying(app, FORGES[name]) as url:
        client = logged_in([ranks.url(1), url])
        good, bad = client.get("/fleet/poll").get_json()["ranks"]
        assert (good["error"], good["health"]) == (None, "ok")
        assert bad["number"] == 1
        assert all(len(str(value)) < 5000 for value in bad.values())
        for path in ("/fleet/conf", "/fleet/loglevels", "/fleet/threads", "/rank/1/conf", "/rank/1/ui/session"):
            assert client.get(path).status_code in (200, 404, 500, 502, 204), path
        check = client.post("/fleet/conf/check", json={"values": {"min_retrieve_tokens": 1}})
        assert check.status_code == 200


@contextmanager
def create_server() -> Iterator[FlaskClient]:
    with make_manager() as manager:
        yield create_app(manager).test_client()


def test_names_of_a_rank_are_cut_to_one_line() -> None:
    def forge(reply: tuple[int, bytes], path: str) -> tuple[int, bytes]:
        return (200, json.dumps(EVIL * 100).encode()) if path == "/lmc_version" else reply

    with create_server() as app, lying(app, forge) as url:
        (row,) = logged_in([url]).get("/fleet/poll").get_json()["ranks"]
    assert row["error"] is None
    assert len(row["version"]) <= 201
    assert "\n" not in row["version"]


def test_a_huge_response_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_BYTES", 1 << 20)
    with create_server() as app, lying(app, lambda *_: (200, b"x" * (2 << 20))) as url:
        client = logged_in([url])
        assert "larger than" in client.get("/fleet/poll").get_json()["ranks"][0]["error"]
        response = client.get("/rank/0/conf")
    assert (response.status_code, "larger than" in response.get_json()["message"]) == (502, True)


def polled(client: FlaskClient) -> list[dict[str, Any]]:
    return list(client.get("/fleet/poll").get_json()["ranks"])


def test_ranks_that_hang_or_are_down_do_not_delay_the_others(
    fleet: StartFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = fleet(without=(2,), hanging=(4,))
    client = logged_in([running.url(index) for index in range(5)])
    monkeypatch.setattr(polling, "WAIT_SECONDS", 1.0)  # A fetch takes up to 60 s.
    began = time.monotonic()
    polled(client)
    assert time.monotonic() - began < 20
    answered = [True, True, False, True, False]
    assert eventually(lambda: [row["error"] is None for row in polled(client)] == answered)
    assert "cannot connect" in polled(client)[2]["error"]


def test_no_poll_waits_for_a_rank_that_was_slow_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        client = logged_in([f"http://127.0.0.1:{hanging.getsockname()[1]}"])
        monkeypatch.setattr(polling, "FETCH_SECONDS", 0.5)
        (row,) = polled(client)
        assert ("no " in row["error"] and "within" in row["error"]) or "no response" in row["error"]
        monkeypatch.setattr(polling, "FETCH_SECONDS", 60.0)
        time.sleep(1.1)  # The rank is due again.
        began = time.monotonic()
        polled(client)
        assert time.monotonic() - began < 20


def test_more_hanging_ranks_than_slots_delay_the_others_once(ranks: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in TIMEOUTS.items():
        monkeypatch.setattr(polling, name, seconds)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as hanging:
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        count = SLOTS[False] + SLOTS[True] + 4
        client = logged_in([*(f"{url}/{number}" for number in range(count)), ranks.url(1)])
        assert eventually(lambda: polled(client)[-1]["error"] is None)
        time.sleep(4)
        for _ in range(3):
            assert takes_less(2.5, lambda: polled(client))
            assert eventually(lambda: polled(client)[-1]["error"] is None)


def test_a_change_is_applied_to_all_chosen_ranks_or_none(fleet: StartFleet) -> None:
    running = fleet(without=(2,))
    client = logged_in([running.url(index) for index in range(5)])

    def check(ranks: list[int] | None, **values: Any) -> dict[str, Any]:
        response = client.post("/fleet/conf/check", json={"values": values, "ranks": ranks})
        assert response.status_code == 200, response.text
        return dict(response.get_json())

    one_down = check(None, pin_timeout_sec=42)
    assert one_down["id"] is None
    assert one_down["failed"][0]["ranks"] == "2 worker 1"
    refused = check([0, 1], pin_timeout_sec="minus one")
    assert (refused["id"], refused["failed"][0]["ranks"]) == (None, "0-1")
    good = check([0, 1, 3], pin_timeout_sec=42)
    assert good["changes"] == [{"name": "pin_timeout_sec", "old": "300", "new": "42", "ranks": "0-1,3"}]
    assert "conf set pin_timeout_sec=42 --index 0-1,3" in good["command"]
    assert {manager.config.pin_timeout_sec for manager in running.managers.values()} == {300}
    applied = client.post("/fleet/apply", json={"id": good["id"]}).get_json()
    assert (applied["applied"], applied["failed"], applied["unknown"]) == ("0-1,3", [], [])
    assert [running.managers[index].config.pin_timeout_sec for index in (0, 1, 3, 4)] == [42, 42, 42, 300]
    assert "conf rollback --to 0" in applied["undo"][0]
    assert client.post("/fleet/apply", json={"id": good["id"]}).status_code == 409


def test_a_change_that_gets_no_slot_can_be_tried_again(fleet: StartFleet) -> None:
    client = logged_in([fleet().url(1)])
    checked = client.post("/fleet/conf/check", json={"values": {"pin_timeout_sec": 42}}).get_json()
    state: Gateway = client.application.extensions[KEY]
    with state.job(), state.job():
        assert client.post("/fleet/apply", json={"id": checked["id"]}).status_code == 503
    assert client.post("/fleet/apply", json={"id": checked["id"]}).get_json()["applied"] == "0 scheduler"


def test_a_change_in_between_is_refused(fleet: StartFleet) -> None:
    running = fleet()
    client = logged_in([running.url(index) for index in range(2)])
    checked = client.post("/fleet/conf/check", json={"values": {"pin_timeout_sec": 42}}).get_json()
    client.post("/rank/1/conf", json={"pin_timeout_sec": 7})
    applied = client.post("/fleet/apply", json={"id": checked["id"]}).get_json()
    assert applied["applied"] == "0 scheduler"
    assert "changed in between" in applied["failed"][0]["error"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"values":{}}', b'{"values":{"a":1},"ranks":[]}', b'{"values":{"a":1},"ranks":["1"]}', b"["],
)
def test_an_invalid_body_is_refused(client: FlaskClient, body: bytes) -> None:
    assert client.post("/fleet/conf/check", data=body, content_type="application/json").status_code == 400


def test_ranks_that_are_not_listed_cannot_be_changed(client: FlaskClient) -> None:
    for ranks in ([5], [-1], [0, 10**30]):
        response = client.post("/fleet/conf/check", json={"values": {"a": 1}, "ranks": ranks})
        assert response.status_code in (400, 404)


def test_settings_levels_and_threads_are_grouped(client: FlaskClient) -> None:
    assert client.post("/rank/3/conf", json={"min_retrieve_tokens": 99}).status_code == 200
    found = {each["name"]: each["values"] for each in client.get("/fleet/conf").get_json()["names"]}
    values = [(each["value"]["value"], each["ranks"]) for each in found["min_retrieve_tokens"]]
    assert values == [(0, "0-2,4"), (99, "3 worker 2")]
    level = {"logger": "tests.fleet", "level": "DEBUG", "ranks": [1]}
    checked = client.post("/fleet/loglevel/check", json=level).get_json()
    assert "loglevel tests.fleet DEBUG" in checked["command"]
    assert client.post("/fleet/apply", json={"id": checked["id"]}).get_json()["applied"] == "1 worker 0"
    names = {each["name"]: each["values"] for each in client.get("/fleet/loglevels").get_json()["names"]}
    assert names["tests.fleet"][0]["value"] == "DEBUG"
    assert client.get("/fleet/threads").get_json()["stacks"][0]["ranks"]


def test_a_level_is_set_on_all_chosen_ranks_or_none() -> None:
    servers = [
        LogServer({"a": "ERROR"}),
        LogServer({}),
        LogServer({"a": "ERROR"}, is_lmcache=True),
        LogServer({}, fails=500),
    ]
    with ExitStack() as stack:
        urls = [stack.enter_context(log_server(server)) for server in servers]
        client = logged_in([*urls, f"http://127.0.0.1:{free_port()}"])

        def check(ranks: list[int] | None, **more: str) -> dict[str, Any]:
            wanted = {"logger": "a", "level": "DEBUG", "ranks": ranks, **more}
            return dict(client.post("/fleet/loglevel/check", json=wanted).get_json())

        down, timed = check(None), check([0, 2], span="10m")
        assert (down["id"], down["failed"][0]["ranks"]) == (None, "4 worker 3")
        assert (timed["id"], timed["failed"][0]["ranks"]) == (None, "2 worker 1")
        assert [server.levels for server in servers] == [{"a": "ERROR"}, {}, {"a": "ERROR"}, {}]
        good = check([0, 1, 2, 3])
        assert good["changes"] == [
            {"name": "a", "old": "ERROR", "new": "DEBUG", "ranks": "0,2"},
            {"name": "a", "old": "NOTSET", "new": "DEBUG", "ranks": "1,3"},
        ]
        applied = client.post("/fleet/apply", json={"id": good["id"]}).get_json()
        assert (applied["applied"], applied["failed"][0]["ranks"], applied["unknown"]) == ("0-2", "3 worker 2", [])
        assert [command.split(" --")[0] for command in applied["undo"]] == [
            "lmcache-internal loglevel a ERROR",
            "lmcache-internal loglevel a NOTSET",
        ]
        assert client.post("/fleet/apply", json={"id": good["id"]}).status_code == 409
    assert [server.levels for server in servers] == [{"a": "DEBUG"}, {"a": "DEBUG"}, {"a": "DEBUG"}, {}]


def test_a_viewer_can_look_and_not_change(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, viewer="viewer")
    with serving(tmp_path, extra={"tokens_file": str(path), "trust_loopback": False}) as server:
        client = logged_in([f"http://127.0.0.1:{server.port}"], tokens["viewer"])
        (row,) = client.get("/fleet/poll").get_json()["ranks"]
        assert (row["role"], row["error"]) == ("viewer", None)
        checked = client.post("/fleet/conf/check", json={"values": {"pin_timeout_sec": 42}}).get_json()
        assert checked["id"] is None
        assert "viewer" in checked["failed"][0]["error"]
        assert client.get("/rank/0/ui/session").get_json()["tokens"] is False
        unnamed = logged_in([f"http://127.0.0.1:{server.port}"])
        assert "--bearer-token-file" in unnamed.get("/fleet/conf").get_json()["failed"][0]["error"]


@pytest.mark.parametrize("role", ["", "root", "ADMIN", "\u2028", "viewer"])
@pytest.mark.parametrize(
    "routes", [{}, {"POST /conf": "nobody"}, {"POST /conf": ""}, {"PUT /loglevel": "operator"}], ids=str
)
def test_a_role_that_is_not_known_refuses_nothing_before_it_is_asked(role: str, routes: dict[str, str]) -> None:
    session = {"role": role, "kind": "in-process", "routes": routes}

    def forge(reply: tuple[int, bytes], path: str) -> tuple[int, bytes]:
        return (200, json.dumps(session).encode()) if path == "/ui/session" else reply

    with create_server() as app, lying(app, forge) as url:
        (row,) = logged_in([url]).get("/fleet/poll").get_json()["ranks"]
    is_known = role == "viewer" and routes == {"PUT /loglevel": "operator"}
    assert (row["error"], row["needs"]) == (None, {"loglevels": "operator"} if is_known else {})


def test_an_mp_server_shows_what_it_has(tmp_path: Path, ranks: Fleet) -> None:
    with mp_manager(tmp_path) as manager, lying(create_app(manager).test_client(), lambda reply, _: reply) as url:
        client = logged_in([url, ranks.url(1)])
        mp, worker = client.get("/fleet/poll").get_json()["ranks"]
        assert (mp["error"], mp["kind"], mp["health"], mp["usage"] > 0, mp["limit"] > 0) == (
            None,
            "mp",
            "ok",
            True,
            True,
        )
        assert worker["kind"] == "in-process"


def test_the_settings_of_an_mp_server_are_shown_beside_those_of_ranks(tmp_path: Path, ranks: Fleet) -> None:
    with mp_manager(tmp_path) as manager, lying(create_app(manager).test_client(), lambda reply, _: reply) as url:
        _, client = searching(Source(urls=[url, ranks.url(1)]))
        conf = client.get("/fleet/conf").get_json()
        assert conf["failed"] == []
        settings = {entry["name"]: entry["values"] for entry in conf["names"]}
        (of_mp,), (of_rank,) = settings["mp.chunk_size"], settings["chunk_size"]
        assert (of_mp["value"]["mutable"], of_rank["value"]["mutable"]) == (None, False)
        assert of_mp["ranks"] != of_rank["ranks"]


def test_the_start_of_an_mp_server_stays_the_same(tmp_path: Path) -> None:
    """Rates are computed from the readings of one process. The page knows a process by its start."""
    with mp_manager(tmp_path) as manager, lying(create_app(manager).test_client(), lambda reply, _: reply) as url:
        client = logged_in([url])
        (rank,) = client.application.extensions[KEY].ranks.all
        starts: dict[float, float] = {}

        def polled() -> bool:
            (row,) = client.get("/fleet/poll").get_json()["ranks"]
            starts[rank.read] = row["started"]
            return len(starts) == 3

        assert eventually(polled)
        assert len(set(starts.values())) == 1
        assert None not in starts.values()


def test_a_rank_behind_a_unix_socket_is_reached(tmp_path: Path) -> None:
    with serving(tmp_path, "unix") as server:
        client = logged_in([server.socket_path])
        (row,) = client.get("/fleet/poll").get_json()["ranks"]
        assert (row["error"], row["host"]) == (None, "Unix socket")
        assert client.get("/rank/0/meta").status_code == 200
        assert f'data-socket="{server.socket_path}"'.encode() in client.get("/rank/0/ui").data
        assert client.get("/rank/0/docs").status_code == 404


def test_a_rank_that_is_late_is_a_504_and_one_that_is_down_a_502(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "ENGINE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        urls = [f"http://127.0.0.1:{silent.getsockname()[1]}", f"http://127.0.0.1:{free_port()}"]
        client = logged_in(urls)
        late, down = (client.get(f"/rank/{number}/conf") for number in (0, 1))
    assert (late.status_code, down.status_code) == (504, 502)
    assert "no answer within 0.3 s" in late.get_json()["message"]
    assert urls[1] in down.get_json()["message"]


def test_a_script_may_take_longer_than_other_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "ENGINE_SECONDS", 0.1)
    monkeypatch.setattr(proxy, "SCRIPT_SECONDS", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = logged_in([f"http://127.0.0.1:{silent.getsockname()[1]}"])
        late = client.post("/rank/0/run_script")
    assert late.status_code == 504
    assert "no answer within 0.6 s" in late.get_json()["message"]
