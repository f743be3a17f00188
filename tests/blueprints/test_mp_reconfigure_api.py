from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from lmcache_internal.engine.mp.reconfigure import size_of
from lmcache_internal.errors import BadRequest


@pytest.fixture
def dax(mp: EmbeddedMPManager, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Two adapters that can be reconfigured; return the operations that reach them."""
    done: list[Any] = []

    def reconfigure(index: int, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        done.append((index, operation, payload))
        return {"status": "ok", "adapter_index": index}

    adapters = [{"backend": "raw", "adapter_index": 0}, {"backend": "dax", "adapter_index": 1, "devices": []}]
    monkeypatch.setattr(mp.runtime, "l2_reconfigurations", lambda: adapters)
    monkeypatch.setattr(mp.runtime, "reconfigure_l2", reconfigure)
    return done


@pytest.mark.usefixtures("dax")
def test_status_numbers_the_adapters_of_the_backend(mp_client: FlaskClient) -> None:
    assert mp_client.get("/reconfigure/DAX/l2/status").json == {
        "enabled": True,
        "backend": "dax",
        "num_adapters": 1,
        "adapters": [{"backend": "dax", "adapter_index": 0, "devices": []}],
    }
    assert mp_client.get("/reconfigure/fs/l2/status").json == {
        "enabled": False,
        "backend": "fs",
        "num_adapters": 0,
        "adapters": [],
    }


@pytest.mark.parametrize(
    ("operation", "body", "payload"),
    [
        ("add", {"device_path": "/dev/dax0", "size": "1GiB"}, {"device_path": "/dev/dax0", "size_bytes": 2**30}),
        (
            "remove",
            {"device_path": "/dev/dax0"},
            {"device_path": "/dev/dax0", "mode": "migrate", "force": False},
        ),
        (
            "resize",
            {"device_path": "/dev/dax0", "size": 7, "mode": "evict", "force": True},
            {"device_path": "/dev/dax0", "size_bytes": 7, "mode": "evict", "force": True},
        ),
    ],
)
def test_an_operation_reaches_the_adapter(
    mp_client: FlaskClient, dax: list[Any], operation: str, body: dict[str, Any], payload: dict[str, Any]
) -> None:
    response = mp_client.post(f"/reconfigure/dax/l2/{operation}", json=body)
    assert response.json == {"status": "ok", "adapter_index": 1}
    assert dax == [(1, operation, payload)]


def test_another_backend_gets_the_body_as_it_is(mp_client: FlaskClient, dax: list[Any]) -> None:
    mp_client.post("/reconfigure/raw/l2/grow", json={"adapter_index": 0, "by": [1]})
    assert dax == [(0, "grow", {"by": [1]})]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("dax/l2/add", {"x": 1}, 400),
        ("dax/l2/add", {"device_path": "/d", "size": True}, 400),
        ("dax/l2/add", {"device_path": "/d", "size": "much"}, 400),
        ("dax/l2/add", {"device_path": "/d", "size": 0}, 400),
        ("dax/l2/remove", {"device_path": "/d", "mode": "burn"}, 400),
        ("dax/l2/explode", {}, 400),
        ("dax/l2/remove", {"device_path": "/d", "adapter_index": 1}, 404),
        ("raw/l2/grow", {"adapter_index": "x"}, 400),
        ("raw/l2/grow", {"adapter_index": -1}, 404),
        ("nope/l2/grow", {}, 404),
        ("dax/l1/add", {"device_path": "/d", "size": "x"}, 400),
        ("dax/l1/add", {"device_path": "/d", "size": "1G"}, 409),
        ("dax/l1/remove", {"device_path": "/d", "mode": "evict"}, 400),
        ("dax/l1/remove", {"device_path": "/d"}, 409),
    ],
)
def test_what_cannot_be_reconfigured(
    mp_client: FlaskClient, dax: list[Any], path: str, body: dict[str, Any], status: int
) -> None:
    response = mp_client.post(f"/reconfigure/{path}", json=body)
    assert response.status_code == status, response.text
    assert dax == []


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("100GiB", 100 * 2**30),
        ("512mb", 2**29),
        ("1048576", 2**20),
        ("1.5k", 1536),
        (" 2 T ", 2**41),
        ("7b", 7),
        (9, 9),
    ],
)
def test_sizes_have_units_of_1024(size: int | str, expected: int) -> None:
    assert size_of(size) == expected


@pytest.mark.parametrize("size", ["", "x", "-1", "1.", ".5", "1e9", "0", "0.1b", "1 pb", 0, -7, "9" * 30])
def test_other_sizes_are_refused(size: int | str) -> None:
    with pytest.raises(BadRequest, match="size: expected a positive number of bytes"):
        size_of(size)


def test_dax_in_l1_is_409_where_l1_is_memory(mp_client: FlaskClient) -> None:
    response = mp_client.get("/reconfigure/dax/l1/status")
    assert response.status_code == 409
    assert "L1 is memory" in response.text
