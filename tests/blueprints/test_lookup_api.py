"""GET /lookup/info, and POST /lookup/close, /create and /recreate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata, create_app
from tests.support import SHAPE, make_manager

SIDES = {"worker": "EmbeddedLookupServer", "scheduler": "EmbeddedLookupClient"}


@pytest.fixture(params=["worker", "scheduler"])
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def manager(role: str) -> Iterator[EmbeddedManager]:
    """A worker, then a scheduler."""
    with make_manager(role) as made:
        yield made


def post(client: FlaskClient, path: str, status: int = 200) -> Any:
    response = client.post(f"/lookup/{path}")
    assert (response.status_code, response.content_type) == (status, "application/json")
    return response.get_json()


def there_is(client: FlaskClient, role: str) -> Any:
    return client.get("/lookup/info").get_json()["client" if role == "scheduler" else "server"]


def test_info_names_client_and_server(client: FlaskClient, role: str) -> None:
    response = client.get("/lookup/info")
    assert (response.status_code, response.content_type) == (200, "application/json")
    names = ("None", SIDES[role]) if role == "worker" else (SIDES[role], "None")
    assert response.text == '{{\n  "client": "{}",\n  "server": "{}"\n}}'.format(*names)


def test_lookup_can_be_closed_and_created(client: FlaskClient, role: str) -> None:
    assert post(client, "close") == {"old": SIDES[role], "role": role}
    assert there_is(client, role) == "None"
    assert post(client, "close") == {"old": "None", "role": role}
    assert post(client, "create") == {"new": SIDES[role], "role": role}
    assert there_is(client, role) == SIDES[role]


def test_dryrun_create_changes_nothing(client: FlaskClient, role: str) -> None:
    post(client, "close")
    assert post(client, "create?dryrun=true") == {"new": SIDES[role], "dryrun": True, "role": role}
    assert there_is(client, role) == "None"


def test_last_repeated_dryrun_wins(client: FlaskClient, role: str) -> None:
    post(client, "close")
    assert "dryrun" in post(client, "create?dryrun=false&dryrun=1")
    assert there_is(client, role) == "None"
    assert "dryrun" not in post(client, "create?dryrun=1&dryrun=off")
    assert there_is(client, role) == SIDES[role]


def test_dryrun_that_is_not_boolean_gets_400_and_creates_nothing(client: FlaskClient, role: str) -> None:
    post(client, "close")
    assert post(client, "create?dryrun=perhaps", 400) == {
        "error": "Invalid parameter",
        "message": "Invalid value for dryrun: expected bool, got 'perhaps'",
    }
    assert there_is(client, role) == "None"


def test_recreate_creates_a_new_object(client: FlaskClient, manager: EmbeddedManager, role: str) -> None:
    before = (manager.lookup_client, manager.lookup_server)
    assert post(client, "recreate") == {"old": SIDES[role], "new": SIDES[role], "role": role}
    after = (manager.lookup_client, manager.lookup_server)
    assert before != after
    assert there_is(client, role) == SIDES[role]


def test_manager_error_gets_400_with_its_body(client: FlaskClient, role: str) -> None:
    post(client, "close")
    side = "client" if role == "scheduler" else "server"
    assert post(client, "recreate", 400) == {"error": f"lookup {side} not available", "role": role}
    assert there_is(client, role) == "None"


def test_client_class_follows_config() -> None:
    with make_manager("scheduler") as scheduler:
        client = create_app(scheduler).test_client()
        scheduler.config.enable_chunk_statistics = True
        assert post(client, "recreate")["new"] == "EmbeddedStatisticsClient"
        assert client.post("/chunk_statistics/start").status_code == 200


@pytest.mark.parametrize("path", ["close", "create", "create?dryrun=1", "recreate"])
def test_unknown_role_gets_400(path: str) -> None:
    metadata = EmbeddedMetadata("test-model", SHAPE, role="observer")
    with EmbeddedManager(EmbeddedConfig({"chunk_size": SHAPE[2]}), metadata) as observer:
        client = create_app(observer).test_client()
        assert post(client, path, 400) == {
            "error": "Unknown role",
            "message": "The engine's role is 'observer'; expected scheduler or worker",
        }
        assert there_is(client, "scheduler") == "EmbeddedLookupClient"


class OldManager:
    """A manager of an LMCache version without lookup methods."""

    config = EmbeddedConfig()
    lmcache_engine = None
    lmcache_engine_metadata = EmbeddedMetadata("test-model", SHAPE)


@pytest.mark.parametrize(
    ("method", "path", "missing"),
    [
        ("GET", "info", "get_lookup_info"),
        ("POST", "close", "close_lookup_server"),
        ("POST", "create?dryrun=1", "create_lookup_server"),
        ("POST", "recreate", "recreate_lookup_server"),
    ],
)
def test_manager_without_method_gets_503(method: str, path: str, missing: str) -> None:
    response = create_app(OldManager()).test_client().open(f"/lookup/{path}", method=method)
    assert response.status_code == 503
    assert response.get_json() == {"error": "API unavailable", "message": f"The engine's manager has no {missing}"}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "info"), ("POST", "close"), ("POST", "create"), ("POST", "recreate")]
)
def test_missing_manager_gets_503(method: str, path: str) -> None:
    response = create_app(None).test_client().open(f"/lookup/{path}", method=method)
    assert (response.status_code, response.get_json()["error"]) == (503, "LMCache adapter unavailable")
