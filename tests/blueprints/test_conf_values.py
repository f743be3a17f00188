"""Values that YAML and clients can write and that a configuration must cope with, or refuse as a whole."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcache_internal import create_app
from lmcache_internal.cli.conf.values import means, shown
from lmcache_internal.conversion import MAX_DEPTH
from tests.support import examples, make_manager

# What PyYAML makes of keys; a tuple is one of `? [1, 2]`.
KEYS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.datetimes(), st.binary(), st.text("ab0")
)
KEYS |= st.tuples(KEYS, KEYS)
EXTRA = st.dictionaries(
    KEYS,
    st.recursive(
        st.integers() | st.text("ab"), lambda inner: st.dictionaries(KEYS, inner) | st.lists(inner), max_leaves=8
    ),
)


@settings(max_examples=examples(40), deadline=None)
@given(extra=EXTRA)
def test_keys_that_are_no_strings_are_read_changed_and_brought_back(extra: dict[Any, Any]) -> None:
    with make_manager(extra_config=extra) as manager:
        client = create_app(manager).test_client()
        read = client.get("/conf?names=extra_config").get_json(force=True)["extra_config"]
        details = client.get("/conf?details=true").get_json(force=True)["extra_config"]
        assert details["value"] == read
        assert len(json.dumps(read)) > 0
        assert client.post("/conf", json={"extra_config": {"b": 1}}).status_code == 200
        assert client.get("/conf/history").status_code == 200
        assert client.get("/audit").status_code == 200
        assert client.post("/conf/rollback?to=0").status_code == 200
        assert str(manager.config.extra_config) == str(extra)  # As text: NaN is no equal of itself.


@pytest.mark.parametrize("key", [0, None, True, 1.5, datetime.date(2026, 1, 1)])
def test_a_key_that_is_no_string_is_no_drift_from_the_file(key: Any) -> None:
    extra = {key: "mlx5_0", "a": [{key: 1}]}
    with make_manager(extra_config=extra) as manager:
        details = create_app(manager).test_client().get("/conf?details=true").get_json(force=True)["extra_config"]
    assert means("extra_config", extra, details["type"], details["value"])
    assert not means("extra_config", {key: "mlx5_1"}, details["type"], details["value"])
    assert json.loads(shown(extra)) == details["value"]


@pytest.mark.parametrize("depth", [MAX_DEPTH, 900, 5000, 100_000])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("as_text", [False, True])
def test_what_is_nested_too_deep_is_a_400(
    client: FlaskClient, depth: int, brackets: tuple[bytes, bytes], as_text: bool
) -> None:
    nested = b'{"a":' + brackets[0] * depth + b"1" + brackets[1] * depth + b"}"
    value = json.dumps(nested.decode()).encode() if as_text else nested
    before = client.get("/conf").text
    assert client.post("/conf", data=b'{"extra_config": ' + value + b"}").status_code == 400
    assert client.get("/conf").text == before


def test_as_deep_as_allowed_is_read_and_changed(client: FlaskClient) -> None:
    depth = MAX_DEPTH - 3
    body = b'{"extra_config": {"a": ' + b"[" * depth + b"]" * depth + b"}}"
    assert client.post("/conf", data=body).status_code == 200
    for path in ("/conf", "/conf?details=true", "/conf/history", "/audit"):
        assert client.get(path).status_code == 200
    assert client.post("/conf", json={"extra_config": None}).status_code == 200


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("max_local_cpu_size", value) for value in (1e308, "1e308", 1e6, 10**30, "9999TB")),
        *(("max_local_disk_size", value) for value in (1e308, 10**30, "99EiB")),
        *(("min_retrieve_tokens", value) for value in (1 << 63, 10**30, str(10**30))),
        ("pin_timeout_sec", 10**400),
        ("max_local_cpu_size", "5 apples"),
        ("max_local_cpu_size", "GB"),
        ("max_local_cpu_size", "1.2.3GB"),
    ],
)
def test_sizes_that_cannot_be_are_refused(client: FlaskClient, key: str, value: Any) -> None:
    response = client.post("/conf", data=json.dumps({key: value}))
    assert response.status_code == 400
    assert "expected" in response.text or "range" in response.text
    assert client.post("/backends/LocalCPUBackend/recreate").status_code == 200


@pytest.mark.parametrize(
    ("text", "gib"),
    [("5", 5), ("1GiB", 1), ("1gi", 1), ("512 MiB", 0.5), ("2GB", 2e9 / 2**30), ("1.5G", 1.5e9 / 2**30)],
)
def test_sizes_have_units(client: FlaskClient, text: str, gib: float) -> None:
    assert client.post("/conf", json={"max_local_cpu_size": text}).get_json()["updated"] == {"max_local_cpu_size": gib}


@pytest.mark.parametrize("text", ["None", "null", "NULL", "~", "", " none "])
def test_texts_that_mean_none(client: FlaskClient, text: str) -> None:
    client.post("/conf", json={"local_disk": "/data", "extra_config": {"a": 1}})
    body = client.post("/conf", json={"local_disk": text, "extra_config": text}).get_json()
    assert body == {"updated": {"local_disk": None, "extra_config": None}}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_json_in_the_encodings_of_unicode_is_read(client: FlaskClient, encoding: str) -> None:
    body = '{"extra_config": {"name": "Grüße"}}'.encode(encoding)
    assert client.post("/conf", data=body).get_json() == {"updated": {"extra_config": {"name": "Grüße"}}}


def test_a_backend_that_cannot_be_made_again_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with make_manager(local_disk=str(tmp_path / "disk"), max_local_disk_size=1) as manager:
        client = create_app(manager).test_client()
        store_and_forget(client)
        manager.config.local_disk = str(tmp_path / "file" / "below")
        response = client.post("/backends/LocalDiskBackend/recreate")
        assert (response.status_code, response.get_json()["error"]) == (500, "Failed to recreate backend")
        assert "cannot be used" in response.get_json()["message"]
        assert retrieved(client) == 32
        manager.config.local_disk = str(tmp_path / "disk")
        assert client.post("/backends/LocalDiskBackend/recreate").status_code == 200
        assert retrieved(client) == 32


def test_a_backend_that_the_configuration_no_longer_asks_for_is_closed(tmp_path: Path) -> None:
    with make_manager(local_disk=str(tmp_path), max_local_disk_size=1) as manager:
        client = create_app(manager).test_client()
        client.post("/conf", json={"local_disk": None})
        body = client.post("/backends/LocalDiskBackend/recreate").get_json()
    assert (body["recreated"], body["backends"]) == ({}, {"LocalCPUBackend": "LocalCPUBackend"})


def store_and_forget(client: FlaskClient) -> None:
    """Store 32 tokens, and leave them on disk alone."""
    client.post("/cache/store?tokens_mock=0,32")
    client.delete("/cache/clear?locations=LocalCPUBackend")


def retrieved(client: FlaskClient) -> int:
    count: int = client.post("/cache/retrieve?tokens_mock=0,32").get_json()["num_retrieved"]
    client.delete("/cache/clear?locations=LocalCPUBackend")
    return count


@pytest.mark.parametrize("path", ["~/kv", "$AWS_SECRET_ACCESS_KEY/kv", "${AWS_SECRET_ACCESS_KEY}", "file://$X"])
def test_the_environment_does_not_leak_through_a_path(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    response = client.post("/conf", json={"local_disk": path})
    assert response.status_code == 400
    assert "expanded only in the configuration file" in response.text
    assert "s3cret" not in response.text + client.get("/conf").text
