"""A misspelt name is met with the right one, and a body in the wrong form with the right form."""

from __future__ import annotations

import logging
import time

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcache_internal.conversion import suggestion
from tests.support import examples


@settings(max_examples=examples(100))
@given(st.text(max_size=200), st.lists(st.text(max_size=80)))
def test_only_known_names_are_suggested(name: str, known: list[str]) -> None:
    hint = suggestion(name, known)
    assert hint == "" or hint.removeprefix("; did you mean ").removesuffix("?") in known


def test_a_hostile_name_costs_little() -> None:
    started = time.thread_time()
    suggestion("a" * 1_000_000, ["a" * 1_000_000, *(f"a{number}" for number in range(100))])
    assert time.thread_time() - started < 0.1


@pytest.mark.parametrize(
    ("path", "meant"),
    [("/health", "/healthz"), ("/ready", "/readyz"), ("/config", "/conf"), ("/Metrics", "/metrics")],
)
def test_paths(client: FlaskClient, path: str, meant: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.get_json()["message"] == (f"No endpoint at {path}; did you mean {meant}? GET / lists all endpoints")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/freeze", "/freeze/disable or /freeze/enable or /freeze/status"),
        ("/bypass/", "/bypass/add or /bypass/list or /bypass/remove"),
        ("/hot_cache", "/hot_cache/disable or /hot_cache/enable or /hot_cache/status"),
    ],
)
def test_the_paths_below(client: FlaskClient, path: str, meant: str) -> None:
    message = client.get(path).get_json()["message"]
    assert message == f"No endpoint at {path}; did you mean {meant}? GET / lists all endpoints"
    assert "did you mean" not in client.get("/xyzzy").get_json()["message"]


@pytest.mark.parametrize("name", ["dryrun", "dry-run", "dryRun", "DRY_RUN", "Dry Run"])
@pytest.mark.parametrize("path", ["/conf", "/conf/rollback?to=0"])
def test_another_spelling_of_a_parameter_does_not_apply_the_change(client: FlaskClient, path: str, name: str) -> None:
    client.post("/conf", json={"min_retrieve_tokens": 5})
    response = client.post(f"{path}{'&' if '?' in path else '?'}{name}=true", json={"min_retrieve_tokens": 7})
    assert response.status_code == 400
    assert response.get_json()["message"].startswith(f"Unknown parameter '{name}'; did you mean dry_run?")
    assert client.get("/conf?names=min_retrieve_tokens").get_json(force=True) == {"min_retrieve_tokens": 5}


def test_config_keys(client: FlaskClient) -> None:
    errors = client.post("/conf", json={"min_retrieve_token": 1, "nope": 1}).get_json()["errors"]
    assert errors == {
        "min_retrieve_token": "Unknown config; did you mean min_retrieve_tokens?",
        "nope": "Unknown config",
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/backends/LocalCpuBackend"),
        ("POST", "/backends/LocalCPUBackends/recreate"),
        ("PUT", "/bypass/add?backend_name=LocalCPU_Backend"),
    ],
)
def test_backends(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(path, method=method)
    assert response.status_code in (400, 404)
    assert "; did you mean LocalCPUBackend?" in response.get_json()["message"]


def test_loggers(client: FlaskClient) -> None:
    logging.getLogger("lmcache.suggested")
    hint = "No logger of this name has been used; did you mean lmcache.suggested?"
    query = "/loglevel?logger_name=lmcache.sugested"
    assert client.get(query).text == f"lmcache.sugested: NOTSET\n{hint}"
    assert client.get("/loglevel?logger_name=lmcache.suggested").text == "lmcache.suggested: NOTSET"
    assert client.put("/loglevel?logger_name=lmcache.sugestd&level=INFO").get_json()["message"] == hint
    set_to = "Set lmcache.sugested level to INFO (including all handlers)"
    assert client.get(f"{query}&level=INFO").text.startswith(f"{set_to}\nNo logger")
    assert client.get(f"{query}&level=INFO").text == set_to


@pytest.mark.parametrize(
    ("path", "data", "content_type", "message"),
    [
        ("/conf", b"", "", "The request has no body; send a JSON object as the body: -d '{\"key\": value}'"),
        ("/conf?min_retrieve_tokens=1", b" \n", "", "has no body; the values in the query string are not read; send"),
        ("/conf", b"min_retrieve_tokens=1", "application/x-www-form-urlencoded", "The body is a form; send a JSON"),
        ("/conf", b"--b\r\n\r\n1\r\n--b--", "multipart/form-data; boundary=b", "The body is a form; send a JSON"),
        ("/conf", b"{1", "", "JSON is malformed"),
    ],
)
def test_bodies(client: FlaskClient, path: str, data: bytes, content_type: str, message: str) -> None:
    response = client.post(path, data=data, content_type=content_type)
    assert (response.status_code, response.get_json()["error"]) == (400, "Invalid JSON body")
    assert message in response.get_json()["message"]


def test_a_dry_run_says_that_it_is_one(client: FlaskClient) -> None:
    body = client.post("/conf?dry_run=true", json={"min_retrieve_tokens": 9}).get_json()
    assert body == {"updated": {"min_retrieve_tokens": 9}, "dry_run": True}
    assert client.post("/conf/rollback?to=0&dry_run=true").get_json() == {"updated": {}, "dry_run": True}
    assert "dry_run" not in client.post("/conf", json={"min_retrieve_tokens": 9}).get_json()
