"""The modes of an engine in /healthz, /readyz and their JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.diagnostics import health
from lmcache_internal.security.caller import DIRECT_KEY
from tests.support import make_manager

CPU, DISK = "LocalCPUBackend", "LocalDiskBackend"
ISO = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
JSON = {"Accept": "application/json"}


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[EmbeddedManager]:
    with make_manager(local_disk=str(tmp_path), max_local_disk_size=1.0) as made:
        yield made


def mode(client: FlaskClient) -> str:
    found = client.get("/healthz", headers=JSON).get_json().get("mode", "")
    assert client.get("/readyz", headers=JSON).get_json().get("mode", "") == found
    return str(found)


SWITCHES = [
    ("PUT", "/freeze/enable", "frozen", ""),
    ("PUT", "/hot_cache/disable", "hot-off", ""),
    ("PUT", f"/bypass/add?backend_name={DISK}", "bypass", f" {DISK}"),
    ("DELETE", f"/backends/{DISK}", "closed", f" {DISK}"),
]


@pytest.mark.parametrize(("method", "path", "name", "about"), SWITCHES)
def test_each_mode_is_listed_with_time_and_caller_and_fails_nothing(
    client: FlaskClient, method: str, path: str, name: str, about: str
) -> None:
    assert mode(client) == ""
    assert client.open(path, method=method).status_code == 200
    line = rf"\[!\]modes warning: {name}{about} since {ISO} by local"
    healthy = client.get("/healthz")
    assert healthy.status_code == 200
    assert re.fullmatch(rf"ok\n{line}", healthy.text)
    assert (client.get("/readyz").status_code, client.get("/readyz").text) == (200, "ok")
    assert re.search(rf"^{line}$", client.get("/readyz?verbose").text, re.MULTILINE)
    assert mode(client) == name
    assert client.get("/livez", headers=JSON).get_json().keys() == {"status", "checks"}


UNDOING: list[Callable[[FlaskClient], object]] = [
    lambda client: client.put("/freeze/disable"),
    lambda client: client.put("/hot_cache/enable"),
    lambda client: client.put(f"/bypass/remove?backend_name={DISK}"),
    lambda client: client.post("/backends"),
]


@pytest.mark.parametrize(("switch", "undo"), list(zip(SWITCHES, UNDOING, strict=True)))
def test_a_mode_ends(client: FlaskClient, switch: tuple[str, ...], undo: Callable[[FlaskClient], object]) -> None:
    client.open(switch[1], method=switch[0])
    undo(client)
    assert mode(client) == ""
    assert client.get("/healthz").text == "ok"


def test_several_modes_are_one_word_without_duplicates(client: FlaskClient) -> None:
    for method, path, _, _ in SWITCHES[:2]:
        client.open(path, method=method)
    for name in (CPU, DISK):
        client.put(f"/bypass/add?backend_name={name}")
    client.post("/admin/drain")
    assert mode(client) == "frozen,bypass,drained"  # A bypassed hot cache has no mode hot-off.


def test_a_mode_set_by_a_script_has_a_time_but_no_caller(client: FlaskClient, manager: EmbeddedManager) -> None:
    manager.require_engine().freeze(True)
    text = client.get("/healthz").text
    assert re.fullmatch(rf"ok\n\[!\]modes warning: frozen since {ISO}", text)
    assert client.get("/healthz").text == text


def test_the_first_caller_is_listed_until_the_mode_ends(app: object, client: FlaskClient) -> None:
    del app
    client.put("/freeze/enable")
    first = client.get("/healthz").text
    client.put("/freeze/enable")
    assert client.get("/healthz").text == first


def test_the_caller_is_not_public(client: FlaskClient) -> None:
    client.put("/freeze/enable")
    client.post("/admin/drain?reason=why")
    environ = {DIRECT_KEY: "", "REMOTE_ADDR": "192.0.2.1"}
    for path in ("/healthz", "/readyz?verbose"):
        text = client.get(path, environ_base=environ).text
        assert "frozen since" in text
        assert ": why" in text
        assert "local" not in text.replace("LocalCPUBackend", "").replace("LocalDiskBackend", "")


def test_a_hot_cache_disabled_in_the_configuration_is_not_a_mode(tmp_path: Path) -> None:
    with make_manager(local_cpu=False, local_disk=str(tmp_path), max_local_disk_size=1.0) as manager:
        assert mode(create_app(manager).test_client()) == ""


@pytest.mark.parametrize("hidden_first", [True, False])
def test_the_configuration_does_not_hide_that_a_caller_switched_the_hot_cache_off(
    client: FlaskClient, hidden_first: bool
) -> None:
    steps: list[Callable[[], Any]] = [
        lambda: client.post("/conf", json={"local_cpu": False}),
        lambda: client.put("/hot_cache/disable"),
    ]
    for step in steps if hidden_first else reversed(steps):
        assert step().status_code == 200
    assert mode(client) == "hot-off"
    assert client.put("/hot_cache/enable").status_code == 200
    assert mode(client) == ""


def test_an_engine_whose_modes_cannot_be_read_stays_in_service(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> bool:
        raise OSError("redis://user:s3cret@host is gone")

    monkeypatch.setattr(manager.require_engine(), "is_frozen", fail)
    assert client.get("/readyz").text == client.get("/healthz").text.splitlines()[0] == "ok"
    assert "[!]modes warning: the modes cannot be read: OSError" in client.get("/healthz?verbose").text


def test_a_scheduler_has_no_modes(scheduler: EmbeddedManager) -> None:
    assert mode(create_app(scheduler).test_client()) == ""
