"""GET /env."""

from __future__ import annotations

import os

import pytest
from flask.testing import FlaskClient


def test_environment_is_sorted_json_as_plain_text(client: FlaskClient) -> None:
    response = client.get("/env")
    names = list(response.get_json(force=True))
    assert response.content_type == "text/plain; charset=utf-8"
    assert names == sorted(os.environ)
    assert response.text.startswith('{\n  "')


def test_secrets_are_masked(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdef")
    monkeypatch.setenv("LMCACHE_EXTRA_CONFIG", '{"redis_password": "s3cret", "size": 1}')
    monkeypatch.setenv("MAX_NUM_TOKENS", "8192")
    answer = client.get("/env")
    assert "hf_abcdef" not in answer.text
    assert "s3cret" not in answer.text
    assert answer.get_json(force=True)["MAX_NUM_TOKENS"] == "8192"


def test_bytes_that_are_not_utf8_are_escaped(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "ODD", "\udcff")
    assert client.get("/env").get_json(force=True)["ODD"] == "\udcff"
