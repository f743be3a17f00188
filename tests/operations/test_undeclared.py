"""Endpoints of our own refuse what they would ignore: a misspelt parameter, and a body."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

STRICT = [("POST", "/admin/drain"), ("PUT", "/loglevel?logger_name=x&level=INFO"), ("POST", "/conf/rollback?to=0")]


@pytest.mark.parametrize(("method", "path"), STRICT)
@pytest.mark.parametrize(
    "body",
    [{"json": {"seconds": 5}}, {"data": {"seconds": "5"}}, {"data": b"x"}, {"data": b"\xff", "content_type": "a/b"}],
)
def test_a_body_that_is_not_read_is_a_400(client: FlaskClient, method: str, path: str, body: dict[str, Any]) -> None:
    response = client.open(path, method=method, **body)
    assert response.status_code == 400
    assert response.get_json()["error"] == "Unexpected body"
    assert path.partition("?")[0] + "?" in response.get_json()["message"]
    assert client.get("/admin/drain").get_json()["drained"] is False


@pytest.mark.parametrize(("method", "path"), STRICT)
def test_an_unknown_parameter_is_a_400(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(f"{path}{'&' if '?' in path else '?'}secondz=5", method=method)
    assert response.status_code == 400
    assert response.get_json()["error"] == "Unknown parameter"
    assert "secondz" in response.get_json()["message"]
    assert client.get("/admin/drain").get_json()["drained"] is False


def test_a_misspelt_parameter_is_corrected(client: FlaskClient) -> None:
    assert "did you mean seconds?" in client.post("/admin/drain?second=5").get_json()["message"]


def test_endpoints_of_lmcache_ignore_both(client: FlaskClient) -> None:
    assert client.put("/freeze/enable?x=1", data=b"x").status_code == 200
