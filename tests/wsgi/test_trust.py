"""Real WSGI servers without tokens and with `trust_loopback`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support import fetch, upload
from tests.wsgi.servers import SERVERS, Running, config_file, launched

OPTIONS = {"waitress-serve": ["--no-clear-untrusted-proxy-headers"]}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    directory = tmp_path_factory.mktemp("trusting")
    variables = {"LMCACHE_CONFIG_FILE": config_file(directory, {"trust_loopback": True})}
    with ExitStack() as stack:

        def start(name: str, server: str, *options: str) -> Running:
            return stack.enter_context(launched(directory / name, server, "tcp", *options, **variables))

        started = {server: start(server, server, *OPTIONS.get(server, ())) for server in SERVERS}
        started["waitress-serve as it is"] = start("as it is", "waitress-serve")
        for running in started.values():
            running.wait_until_it_serves()
        yield started


@pytest.fixture(params=SERVERS)
def trusting(request: pytest.FixtureRequest, fleet: dict[str, Running]) -> Any:
    return fleet[request.param]


def test_loopback_has_role_admin(trusting: Any) -> None:
    assert fetch(trusting, "/env")[0] == 200
    assert fetch(trusting, "/conf", "POST", b'{"min_retrieve_tokens": 3}')[0] == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "Via", "X-Real-IP"])
def test_proxied_request_is_not_trusted(trusting: Any, header: str) -> None:
    assert fetch(trusting, "/env", headers={header: "127.0.0.1"})[0] == 401
    assert fetch(trusting, "/metrics", headers={header: "127.0.0.1"})[0] == 200


def test_foreign_host_header_is_refused(trusting: Any) -> None:
    assert fetch(trusting, "/env", headers={"Host": "evil.example"})[0] == 403


def test_scripts_must_be_enabled(trusting: Any) -> None:
    body, kind = upload(b"result = 1")
    status, text = fetch(trusting, "/run_script", "POST", body, kind)
    assert (status, b"run_script_api_enabled: true" in text) == (404, True)


def test_waitress_removes_proxy_headers_by_default(fleet: dict[str, Running]) -> None:
    # docs/wsgi.md warns of this. If waitress changes its default, change the document.
    server: Any = fleet["waitress-serve as it is"]
    assert fetch(server, "/env", headers={"X-Forwarded-For": "10.0.0.1"})[0] == 200
    assert fetch(server, "/env", headers={"Via": "1.1 proxy"})[0] == 401
