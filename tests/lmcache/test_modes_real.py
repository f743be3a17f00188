"""The modes of the real engine, and their effects on a store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.diagnostics import health
from lmcache_internal.testing.real_engine import make_worker

CPU, DISK = "LocalCPUBackend", "LocalDiskBackend"
FREEZE, HOT_OFF = ("PUT", "/freeze/enable"), ("PUT", "/hot_cache/disable")
BYPASS_CPU, BYPASS_DISK = (("PUT", f"/bypass/add?backend_name={name}") for name in (CPU, DISK))
CLOSE_CPU, CLOSE_DISK = (("DELETE", f"/backends/{name}") for name in (CPU, DISK))


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    made = make_worker("modes")
    yield create_app(made).test_client()
    made.stop_services()


@pytest.fixture
def with_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
    made = make_worker("modes-disk", local_disk=f"file://{tmp_path}/", max_local_disk_size=0.1)
    yield create_app(made).test_client()
    made.stop_services()


def switch(client: FlaskClient, switches: list[tuple[str, str]]) -> None:
    for method, path in switches:
        response = client.open(path, method=method)
        assert response.status_code == 200, response.text


def stored(client: FlaskClient, tokens: str = "0,512") -> tuple[Any, Any]:
    response = client.post(f"/cache/store?tokens_mock={tokens}")
    assert response.status_code == 200, response.text
    return response.get_json()["stored"], response.get_json().get("reason")


def retrieved(client: FlaskClient, tokens: str = "0,512") -> int:
    return int(client.post(f"/cache/retrieve?tokens_mock={tokens}").get_json()["num_retrieved"])


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ([FREEZE], "frozen"),
        ([HOT_OFF], "hot cache off"),
        ([BYPASS_CPU], f"bypassed: {CPU}"),
        ([CLOSE_CPU], "no backend"),
    ],
)
def test_a_store_without_effect_reports_the_reason(
    client: FlaskClient, switches: list[tuple[str, str]], reason: str
) -> None:
    switch(client, switches)
    assert stored(client) == (0, reason)
    assert retrieved(client) == 0


def test_stored_tokens_are_counted(client: FlaskClient) -> None:
    assert stored(client) == (512, None)
    assert stored(client) == (0, "already cached: 512 tokens")
    assert retrieved(client) == 512


def test_tokens_on_disk_are_counted_after_the_write(with_disk: FlaskClient) -> None:
    switch(with_disk, [HOT_OFF])
    assert stored(with_disk) == (512, None)
    assert retrieved(with_disk) == 512
    switch(with_disk, [BYPASS_DISK])
    assert stored(with_disk, "1000,1512") == (0, f"bypassed: {DISK}; hot cache off")


def test_the_modes_are_listed_and_fail_nothing(with_disk: FlaskClient) -> None:
    json = {"Accept": "application/json"}
    assert with_disk.get("/healthz").text == "ok"
    switch(with_disk, [HOT_OFF])
    assert with_disk.get("/healthz", headers=json).get_json()["mode"] == "hot-off"
    switch(with_disk, [FREEZE, BYPASS_CPU, CLOSE_DISK])
    response = with_disk.get("/healthz", headers=json)
    assert (response.status_code, response.get_json()["mode"]) == (200, "frozen,bypass,closed")
    message = response.get_json()["checks"]["modes"]["message"]
    for mode in ("frozen", f"bypass {CPU}", f"closed {DISK}"):
        assert re.search(rf"{mode} since \S+ by local", message)
    switch(
        with_disk, [("PUT", "/freeze/disable"), ("PUT", f"/bypass/remove?backend_name={CPU}"), ("POST", "/backends")]
    )
    switch(with_disk, [("PUT", "/hot_cache/enable")])
    assert with_disk.get("/healthz").text == "ok"
