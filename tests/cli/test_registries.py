"""Targets from LMCache's coordinator and from the URL of a list: read with bounds, and not trusted with the token."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lmcache_internal.cli.registries import MAX_LISTED
from tests.cli.mp_fleet import LMCache, lmcaches, ours, register, run, run_json

TOKEN = "t" * 30


@pytest.fixture
def coordinator() -> Iterator[tuple[str, LMCache]]:
    with lmcaches() as found:
        yield found


def test_registered_servers_are_the_targets(coordinator: tuple[str, LMCache]) -> None:
    with lmcaches() as (first, _), ours(None) as (second, _):
        register(coordinator[1], first, second)
        found = run_json("status", "--coordinator", coordinator[0])
        assert [(entry["address"], entry["role"], entry["ok"]) for entry in found] == [
            (first, "MP server", True),
            (second, "MP server", True),
        ]
        assert coordinator[1].asked == ["GET /instances"]


def test_server_lists_itself_for_prometheus_and_for_the_command() -> None:
    with ours(None) as (url, _):
        assert json.loads(run("get", "/sd/prometheus", "--url", url).stdout) == [
            {"targets": [url.removeprefix("http://")], "labels": {"__meta_lmcache_role": "mp_server"}}
        ]
        found = run_json("status", "--targets", f"{url}/sd/prometheus")
    assert [(entry["address"], entry["role"], entry["ok"]) for entry in found] == [(url, "MP server", True)]


def test_token_is_not_sent_to_listed_servers_unless_they_are_trusted(coordinator: tuple[str, LMCache]) -> None:
    with lmcaches(TOKEN) as (url, _):
        register(coordinator[1], url)
        refused = run("status", "--coordinator", coordinator[0], LMCACHE_INTERNAL_TOKEN=TOKEN)
        assert refused.exit_code == 1
        assert "The token was not sent to this address, because a list names it" in refused.stdout
        assert "--trust-listed" in refused.stdout
        trusted = run("status", "--coordinator", coordinator[0], "--trust-listed", LMCACHE_INTERNAL_TOKEN=TOKEN)
        assert trusted.exit_code == 0, trusted.output
        listed = [{"targets": [url], "labels": {}}]
        coordinator[1].bodies["GET /sd"] = listed
        again = run("status", "--targets", f"{coordinator[0]}/sd", LMCACHE_INTERNAL_TOKEN=TOKEN)
        assert "--trust-listed" in again.stdout


@pytest.mark.parametrize(
    ("ip", "port"),
    [
        ("/run/lmcache.sock", 80),
        ("user:secret@evil", 80),
        ("evil/path?", 80),
        ("evil#", 80),
        ("", 80),
        ("a b", 80),
        ("a\x1b[2J", 80),
        ("a" * 300, 80),
        ("..", 80),
        ("127.0.0.1", 0),
        ("127.0.0.1", 65536),
        ("127.0.0.1", -1),
        ("127.0.0.1", "80"),
        ("127.0.0.1", None),
        (None, 80),
        (5, 80),
    ],
)
def test_entries_that_are_no_host_and_port_are_refused(coordinator: tuple[str, LMCache], ip: Any, port: Any) -> None:
    coordinator[1].bodies["GET /instances"] = {"instances": [{"ip": ip, "http_port": port}]}
    result = run("status", "--coordinator", coordinator[0])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert coordinator[0] in result.stderr
    assert "\x1b[2J" not in result.stderr
    (entry,) = run_json("status", "--coordinator", coordinator[0])
    assert entry["ok"] is False


@pytest.mark.parametrize(
    "address",
    ["/run/a.sock", "file:///etc/passwd", "ftp://a:1", "http://u:p@a:1", "a:1/x", "a:1?x", "a", "http://[::1"],
)
def test_addresses_of_a_list_by_url_are_hosts_and_ports(coordinator: tuple[str, LMCache], address: str) -> None:
    coordinator[1].bodies["GET /sd"] = [{"targets": [address]}]
    result = run("status", "--targets", f"{coordinator[0]}/sd")
    assert result.exit_code == 1
    assert "expected a host and a port" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("index", [-1, "-1", 65536, 10**30, "9" * 5000, "x", "", "1.5", " \n"])
def test_index_in_a_list_by_url_is_that_of_a_rank(coordinator: tuple[str, LMCache], index: Any) -> None:
    coordinator[1].bodies["GET /sd"] = [{"targets": ["127.0.0.1:1"], "labels": {"index": index}}]
    result = run("status", "--targets", f"{coordinator[0]}/sd")
    assert result.exit_code == 1
    assert "has a label `index` that is not a number from 0 to 65535" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "not JSON",
        "[" * 10_000,
        {"instances": {}},
        {"instances": []},
        {"instances": [5]},
        {"instances": [{"ip": "127.0.0.1", "http_port": 80}] * (MAX_LISTED + 1)},
    ],
    ids=lambda body: str(body)[:20],
)
def test_unusable_registry_is_one_line(coordinator: tuple[str, LMCache], body: Any) -> None:
    coordinator[1].bodies["GET /instances"] = body
    for command in ("status", "metrics", "top", "bundle"):
        result = run(command, "--coordinator", coordinator[0])
        assert result.exit_code == 1, result.output
        assert len(result.output.splitlines()) == 1, result.output
        assert isinstance(run_json(command, "--coordinator", coordinator[0]), list)


def test_ipv6_address_of_a_registered_server_has_brackets(coordinator: tuple[str, LMCache]) -> None:
    coordinator[1].bodies["GET /instances"] = {"instances": [{"ip": "::1", "http_port": 1}]}
    (entry,) = run_json("status", "--coordinator", coordinator[0])
    assert entry["address"] == "http://[::1]:1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--coordinator", "ftp://a"], "is not an http or https URL"),
        (["--coordinator", "file:///etc/passwd"], "is not an http or https URL"),
        (["--url", "ftp://a"], "is not an http or https URL"),
        (["--coordinator", "http://a", "--url", "http://b"], "Give only one of"),
        (["--coordinator", "http://a", "--index", "1"], "do not go with --coordinator"),
    ],
)
def test_options_that_cannot_be_used_are_named(arguments: list[str], message: str) -> None:
    result = run("status", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_coordinator_that_is_down_or_hangs_is_one_line() -> None:
    import socket

    result = run("status", "--coordinator", "http://127.0.0.1:1")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "cannot connect: Connection refused" in result.stderr
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        result = run("status", "--coordinator", url, "--timeout", "0.5")
        assert time.monotonic() - began < 8  # The default is 10 s.
    assert "no answer within 0.5 s" in result.stderr


def test_top_keeps_the_servers_while_their_list_cannot_be_read(coordinator: tuple[str, LMCache]) -> None:
    with lmcaches() as (url, _):

        class Once(dict[str, Any]):
            def get(self, name: str, default: Any = None) -> Any:
                return self.pop(name, default) if name == "GET /sd" else super().get(name, default)

        # A server that is down is searched again at each refresh.
        coordinator[1].bodies = Once({"GET /sd": [{"targets": [url, "127.0.0.1:1"]}]})
        result = run("top", "--count", "3", "--interval", "0.1", "--json", "--targets", f"{coordinator[0]}/sd")
    assert coordinator[1].asked.count("GET /sd") == 4  # The command, and each refresh.
    assert [[entry["ok"] for entry in json.loads(line)] for line in result.stdout.splitlines()] == [[True, False]] * 3
    assert result.stderr == ""
