"""Requests that are refused by their head: the response does not wait for the body, and the body is not buffered."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.bodies import BODY, answers, chunk, half_sent, head
from tests.faults.host import Host, answer_on, hosting
from tests.security.support import bearer, token_file

CLIENTS = 800
MOST_GROWTH_MIB = 24
"""For 800 connections without a body; 400 MB are sent."""
AT_ONCE_SECONDS = 15.0
"""On a busy machine; a server that waits for the body waits for 30 s."""

framings = pytest.mark.parametrize("length", [len(BODY), None], ids=["with its length", "chunked"])


@dataclass(frozen=True)
class Refusal:
    """A request that is refused whatever its body is."""

    name: str
    status: int
    line: str = "POST /conf"
    headers: tuple[str, ...] = ()
    token: str = ""
    public: bool = False

    def head(self, tokens: dict[str, str], length: int | None, *more: str) -> bytes:
        token = [f"Authorization: Bearer {tokens[self.token]}"] if self.token else []
        return head(self.line, *self.headers, *token, *more, length=length)

    def port(self, host: Host) -> int:
        return host.public_port if self.public else host.port


REFUSALS = [
    Refusal("without a token", 401),
    Refusal("on the public listener", 401, token="admin", public=True),
    Refusal("as a viewer", 403, token="viewer"),
    Refusal("for another site", 403, headers=("Origin: http://evil.example",), token="admin"),
    Refusal("for another host", 403, headers=("Host: evil.example",), token="admin"),
    Refusal("on an unknown route", 404, "POST /nowhere", token="admin"),
    Refusal("on an unknown route, without a token", 404, "POST /nowhere"),
    Refusal("with a wrong method", 405, "PUT /conf", token="admin"),
    Refusal("with a wrong method, without a token", 405, "PATCH /lmc_version"),
]
refusals = pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)


@contextlib.contextmanager
def guarded(directory: Path) -> Iterator[tuple[Host, dict[str, str]]]:
    """Yield a server with tokens, and the tokens by role."""
    path, tokens = token_file(directory, admin="admin", viewer="viewer")
    with hosting(directory, tokens_file=str(path)) as running:
        yield running, tokens


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, dict[str, str]]]:
    with guarded(tmp_path_factory.mktemp("refused")) as made:
        yield made


@pytest.fixture
def host(both: tuple[Host, dict[str, str]]) -> Host:
    return both[0]


@pytest.fixture
def tokens(both: tuple[Host, dict[str, str]]) -> dict[str, str]:
    return both[1]


@refusals
@framings
def test_the_response_does_not_wait_for_the_body(
    host: Host, tokens: dict[str, str], refusal: Refusal, length: int | None
) -> None:
    with host.connect(port=refusal.port(host)) as client:
        client.settimeout(AT_ONCE_SECONDS)
        client.sendall(refusal.head(tokens, length))
        answer = answer_on(client)
        assert answer.status == refusal.status
        assert set(json.loads(answer.body)) == {"error", "message"}


@refusals
@framings
def test_a_client_that_sends_the_complete_body_first_can_read_the_response(
    host: Host, tokens: dict[str, str], refusal: Refusal, length: int | None
) -> None:
    body = BODY if length else chunk(BODY) + chunk(b"")
    with host.connect(port=refusal.port(host)) as client:
        client.sendall(refusal.head(tokens, length))
        client.sendall(body)
        assert answer_on(client).status == refusal.status


@refusals
@framings
def test_a_client_that_expects_100_gets_only_the_refusal(
    host: Host, tokens: dict[str, str], refusal: Refusal, length: int | None
) -> None:
    with host.connect(port=refusal.port(host)) as client:
        client.settimeout(AT_ONCE_SECONDS)
        client.sendall(refusal.head(tokens, length, "Expect: 100-continue"))
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 %d " % refusal.status)


@framings
def test_an_authorized_client_that_expects_100_may_send_its_body(
    host: Host, tokens: dict[str, str], length: int | None
) -> None:
    body = BODY if length else chunk(BODY) + chunk(b"")
    with host.connect() as client:
        client.sendall(
            head("POST /conf", f"Authorization: Bearer {tokens['admin']}", "Expect: 100-continue", length=length)
        )
        assert client.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert answer_on(client).status == 200


@pytest.mark.parametrize("refusal", REFUSALS[:2] + REFUSALS[5:8], ids=lambda refusal: refusal.name)
@framings
def test_refused_bodies_are_not_buffered(tmp_path: Path, refusal: Refusal, length: int | None) -> None:
    with guarded(tmp_path) as (host, tokens):
        request = refusal.head(tokens, length) + (b"" if length else b"%x\r\n" % len(BODY))
        warm_up(host)
        with host.peak_growth() as grown, half_sent(host, request, CLIENTS, refusal.port(host)) as clients:
            found = answers(clients, AT_ONCE_SECONDS)
            assert host.ask("/livez").status == 200
    assert grown[0] <= MOST_GROWTH_MIB, f"{grown[0]:.0f} MiB"
    assert [answer.status for answer in found.values()] == [refusal.status] * CLIENTS


def warm_up(host: Host) -> None:
    """Open that many connections once, so that their own memory is not measured."""
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(host.connect())
            client.sendall(b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(1 << 16)


def test_a_refused_body_is_audited(host: Host, tokens: dict[str, str]) -> None:
    with host.connect() as client:
        client.settimeout(AT_ONCE_SECONDS)
        client.sendall(head("POST /conf?mark=this"))
        assert answer_on(client).status == 401
    entries = json.loads(host.ask("/audit", headers=bearer(tokens["admin"])).body)
    (entry,) = [entry for entry in entries if entry["arguments"] == {"mark": "this"}]
    assert (entry["path"], entry["status"], entry["outcome"]) == ("/conf", 401, "refused")


def test_invalid_tokens_are_refused_and_counted(host: Host) -> None:
    found = []
    for _ in range(15):
        with host.connect() as client, contextlib.suppress(socket.timeout):
            client.settimeout(AT_ONCE_SECONDS)
            client.sendall(head("POST /conf", "Authorization: Bearer nonsense"))
            found.append(answer_on(client).status)
    assert found == [401] * 10 + [429] * 5
