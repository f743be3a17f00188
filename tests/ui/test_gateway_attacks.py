"""What an attacker sends to the gateway over a real socket, and what hostile ranks answer through it."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from lmcache_internal.cli import answers
from lmcache_internal.cli.ui import proxy
from tests.http_server import Asked, Reply, responding
from tests.ui.fleet_support import gateway_process, logged_in

SECRET = "secret-of-the-operator"


@pytest.fixture(scope="module")
def rank() -> Iterator[tuple[str, list[Asked]]]:
    asked: list[Asked] = []

    def respond(each: Asked) -> Reply:
        asked.append(each)
        return Reply(200, "{}", {"Content-Type": "application/json"})

    with responding(respond) as url:
        yield url, asked


@pytest.fixture(scope="module")
def gateway(rank: tuple[str, list[Asked]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """The port of a gateway to one rank, and the cookie of a session."""
    path = tmp_path_factory.mktemp("gateway") / "targets.yaml"
    path.write_text(f"- {{targets: ['{rank[0]}'], labels: {{index: '0'}}}}\n")
    with gateway_process("--targets", str(path), LMCACHE_INTERNAL_TOKEN=SECRET) as (_, link):
        port = urlsplit(link).port or 0
        answer = raw(port, f"GET /login?{urlsplit(link).query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
        cookie = re.search(r"Set-Cookie: ([^;]+)", answer)
        assert cookie is not None
        yield port, cookie[1]


def raw(port: int, request: str) -> str:
    """Send exactly this, and return the response."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(request.replace("HTTP/1.1\r\n", "HTTP/1.1\r\nConnection: close\r\n", 1).encode("latin-1"))
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received.decode("latin-1")


def status_of(answer: str) -> int:
    return int(answer.split(" ", 2)[1]) if answer else 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (f"X: {' ' * 60_000}a\r\n", 431),
        (f"X: {' ' * 8000}a\r\n" * 20, 200),
        ("X: y\r\n" * 200, 431),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
    ],
)
def test_a_hostile_head_stops_nothing(gateway: tuple[int, str], headers: str, status: int) -> None:
    port, cookie = gateway
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
    began = time.monotonic()
    assert status_of(raw(port, f"{request}{headers}\r\n")) == status
    assert status_of(raw(port, f"{request}\r\n")) == 200
    assert time.monotonic() - began < 20


PATHS = [
    "/rank/0/../../etc/passwd",
    "/rank/0/%2e%2e/%2e%2e/x",
    "/rank/0//evil.example/x",
    "/rank/0/\\evil.example/x",
    "/rank/0/@evil.example/",
    "/rank/0/http://evil.example/",
    "/rank/0/x%0d%0aX-Evil:%201",
    "/rank/0/x%00y",
    "/rank/0/x#@evil.example",
    "/rank/0/\xff",
    "/rank/0;/x",
    "/rank/00/x",
    "/rank/%30/x",
    "/rank/0x0/x",
    "//rank/0/x",
    "/./rank/0/x",
    "http://evil.example/rank/0/x",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_elsewhere_or_adds_a_header(
    gateway: tuple[int, str], rank: tuple[str, list[Asked]], path: str
) -> None:
    port, cookie = gateway
    rank[1].clear()
    answer = raw(port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n")
    assert status_of(answer) in (200, 301, 308, 400, 404), answer
    location = re.search(r"\nLocation: (.*)\r", answer)
    assert location is None or location[1].startswith(f"http://127.0.0.1:{port}/")
    assert SECRET not in answer
    for asked in rank[1]:
        assert "x-evil" not in asked.headers
        assert asked.path.startswith("/")
        assert asked.headers["host"] == rank[0].removeprefix("http://")


HEADERS = [
    "Host: evil.example",
    "Host: 127.0.0.1:{port}\r\nHost: evil.example",
    "Host: 127.0.0.1:{port}\r\nOrigin: http://evil.example",
    "Host: 127.0.0.1:{port}\r\nOrigin: null",
    "Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:1",
    "Host: 127.0.0.1:{port}\r\nOrigin: https://127.0.0.1:{port}",
    "Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: same-site",
    "Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site",
    "Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: none\r\nOrigin: http://evil.example",
    "Host: evil.example\r\nX-Forwarded-Host: 127.0.0.1:{port}",
    "Host: 127.0.0.1:{port}@evil.example",
    "Host: 127.0.0.1.evil.example:{port}",
]


@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize("request_line", ["GET /fleet/poll", "GET /rank/0/conf", "GET /", "POST /fleet/apply"])
def test_another_host_or_origin_is_refused_with_the_cookie(
    gateway: tuple[int, str], rank: tuple[str, list[Asked]], headers: str, request_line: str
) -> None:
    port, cookie = gateway
    rank[1].clear()
    answer = raw(port, f"{request_line} HTTP/1.1\r\n{headers.format(port=port)}\r\nCookie: {cookie}\r\n\r\n")
    assert status_of(answer) in (400, 403), answer
    assert rank[1] == []


COOKIES = ["", "Cookie: {name}=", "Cookie: {name}={short}", "Cookie: {name}x={value}", "Cookie: other={value}"]


@pytest.mark.parametrize("cookie", COOKIES)
def test_no_other_cookie_is_a_session(gateway: tuple[int, str], rank: tuple[str, list[Asked]], cookie: str) -> None:
    port, own = gateway
    name, _, value = own.partition("=")
    rank[1].clear()
    sent = cookie.format(name=name, value=value, short=value[:-1])
    for path in ("/fleet/poll", "/rank/0/conf", "/ui/fleet/main.js", "/no/such/path"):
        answer = raw(port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{sent}\r\n\r\n")
        assert status_of(answer) == 401, answer
    assert rank[1] == []


SMUGGLED = [
    "POST /rank/0/x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nContent-Length: 4\r\n"
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /rank/0/smuggled HTTP/1.1\r\n\r\n",
    "GET /rank/0/x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nIf-Match: a\nX-Evil: 1\r\n\r\n",
    "GET /rank/0/x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nAccept: a\rX-Evil: 1\r\n\r\n",
    "GET /rank/0/x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nX-Evil: 1\r\nX-Forwarded-For: a\r\n\r\n",
]


@pytest.mark.parametrize("request_text", SMUGGLED)
def test_no_header_and_no_second_request_is_smuggled_to_a_rank(
    gateway: tuple[int, str], rank: tuple[str, list[Asked]], request_text: str
) -> None:
    port, cookie = gateway
    rank[1].clear()
    raw(port, request_text.format(port=port, cookie=cookie))
    assert not [asked for asked in rank[1] if "smuggled" in asked.path or "x-evil" in asked.headers]
    assert all("cookie" not in asked.headers for asked in rank[1])


@contextmanager
def speaking(*chunks: bytes, pause: float = 0.0, again: int = 1) -> Iterator[str]:
    """A rank that sends these bytes to each connection, the last of them again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve(connection: socket.socket) -> None:
            with connection:
                try:
                    connection.recv(65536)
                    for chunk in [*chunks[:-1], *([chunks[-1]] * again)]:
                        connection.sendall(chunk)
                        if ended.wait(pause):
                            return
                except OSError:
                    return

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS = OK + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
BAD = {
    "not HTTP": b"SSH-2.0-OpenSSH\r\n",
    "no end of headers": OK + b"X-A: " + b"a" * 200_000,
    "many headers": OK + b"".join(b"X-%d: a\r\n" % number for number in range(5000)) + b"\r\n",
    "header with a line": OK + b"ETag: a\x0bSet-Cookie: b\r\nContent-Length: 2\r\n\r\n{}",
    "a length of its own": OK + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    "a compressed bomb": OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "closed": b"",
    "status 99": b"HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n",
    "status 101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "status 204 with a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}",
    "status 999": b"HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("name", BAD)
def test_a_rank_that_breaks_http_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(proxy, "ENGINE_SECONDS", 2.0)
    with speaking(BAD[name]) as url:
        client = logged_in([url])
        response = client.get("/rank/0/conf")
        assert response.status_code in (200, 204, 502, 504), response
        assert "Set-Cookie" not in response.headers
        (row,) = client.get("/fleet/poll").get_json()["ranks"]
        assert row["error"]


def test_a_response_without_an_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(proxy, "ENGINE_SECONDS", 60.0)
    with speaking(ENDLESS, b"10000\r\n" + b"x" * 65536 + b"\r\n", again=10**6) as url:
        response = logged_in([url]).get("/rank/0/conf")
    assert (response.status_code, "larger than" in response.get_json()["message"]) == (502, True)


def test_a_response_that_trickles_is_cut_at_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "ENGINE_SECONDS", 1.0)
    with speaking(ENDLESS, b"1\r\nx\r\n", pause=0.05, again=10**6) as url:
        began = time.monotonic()
        response = logged_in([url]).get("/rank/0/conf")
    assert response.status_code == 504
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_a_rank_is_not_followed_and_not_passed_on(rank: tuple[str, list[Asked]], status: int) -> None:
    rank[1].clear()
    reply = Reply(status, "moved", {"Location": f"{rank[0]}/stolen", "Refresh": "0; url=http://evil.example"})
    with responding(lambda _: reply) as url:
        client = logged_in([url], token=SECRET)
        response = client.get("/rank/0/conf")
        client.get("/fleet/poll")
        client.post("/fleet/loglevel/check", json={"logger": "a", "level": "INFO"})
    assert response.status_code == status
    assert not {"Location", "Refresh"} & set(response.headers.keys())
    assert rank[1] == []


def test_a_link_is_used_once_by_many_at_the_same_time() -> None:
    with gateway_process("--url", "http://127.0.0.1:1") as (process, link):
        port = urlsplit(link).port or 0
        statuses: list[int] = []
        barrier = threading.Barrier(12)

        def use() -> None:
            barrier.wait()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", link.partition(str(port))[2])
            statuses.append(connection.getresponse().status)
            connection.close()

        threads = [threading.Thread(target=use) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [200, *[403] * 11]
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
