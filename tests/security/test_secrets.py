"""Random secrets in random places of the config and the environment are in no response and no log line."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lmcache_internal import create_app
from lmcache_internal.app import InternalApp
from tests.security.support import app_with, audit_of, bearer, token_file
from tests.security.test_access import REQUIRED_ROLES
from tests.support import make_manager

ENGINE = '''
from flask import Blueprint
from lmcache_internal.api import config, operation

router = Blueprint("engine", __name__)


@router.get("/raises")
@operation(action="reach the remote")
def raises() -> str:
    """Raise an error with the URL in its message, as connectors do."""
    try:
        raise ConnectionError(f"no route to {config().extra_config['remote']}")
    except ConnectionError as error:
        raise RuntimeError(f"gave up: {error}") from error


@router.get("/raises/plain")
def plain():
    raise ConnectionError(f"no route to {config().extra_config['remote']}")
'''

alphabet = string.ascii_letters + string.digits
secrets = st.text(alphabet, min_size=12, max_size=24).map(lambda text: f"S3c{text}")
words = st.text(string.ascii_lowercase, min_size=1, max_size=6)
secret_words = st.sampled_from(
    ["password", "token", "secret", "api_key", "passwd", "credentials", "auth", "private_key"]
)
names = st.builds("{}_{}".format, words, secret_words)
urls = st.sampled_from(
    [
        "redis://user:{}@host:6379/0",
        "redis://:{}@h1:1,redis://u:{}@h2:2",
        "https://bucket.example/x?X-Signature={}&y=1",
        "postgresql+psycopg://{}@host/db",
    ]
)


@st.composite
def places(draw: st.DrawFn) -> tuple[str, Any]:
    """Generate a secret, and a value that contains it, for a name that is not secret."""
    secret = draw(secrets)
    value: Any = {draw(names): secret}
    if draw(st.booleans()):
        value = draw(urls).replace("{}", secret)
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["list", "dict", "json", "key"]))
        if kind == "list":
            value = [draw(words), value]
        elif kind == "dict":
            value = {draw(words): value, draw(words) + "_": 1}
        elif kind == "json":
            value = json.dumps(value)
        elif isinstance(value, str) and value.startswith(("redis", "https", "postgres")):
            value = {value: draw(words)}
    return secret, value


@contextmanager
def captured_log() -> Iterator[io.StringIO]:
    """Capture all log records of any logger and level as formatted text."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.NOTSET)
    before = logging.root.level
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        logging.root.removeHandler(handler)
        logging.root.setLevel(before)


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def requests() -> list[tuple[str, str, dict[str, Any]]]:
    """Return requests for all routes, valid and invalid ones."""
    routes = [(method, re.sub("<.+?>", "x", rule)) for method, rule in REQUIRED_ROLES if rule != "/run_script"]
    found: list[tuple[str, str, dict[str, Any]]] = [(method, path, {}) for method, path in routes]
    found += [("GET", "/raises", {}), ("GET", "/raises/plain", {}), ("GET", "/conf?details=true", {})]
    found += [("GET", "/conf?names=extra_config,remote_thing", {}), ("GET", "/conf", {"Host": "evil.example"})]
    found += [("GET", "/env", {"Via": "x"}), ("POST", "/conf", {"Origin": "http://evil.example"})]
    return found


def all_responses(app: InternalApp, bodies: list[Any]) -> str:
    client = app.test_client()
    output = []
    for method, path, headers in requests():
        response = client.open(path, method=method, headers=headers)
        output.append(f"{method} {path} {response.status} {response.headers} {response.text}")
    for body in bodies:
        response = client.post("/conf", json=body)
        output.append(f"POST {response.status} {response.headers} {response.text}")
        output += [client.get(path).text for path in ("/conf", "/conf/history", "/conf?details=true")]
    output.append(client.post("/conf/rollback?to=0").text)
    output.append(client.get("/audit").text)
    return "\n".join([*output, str(audit_of(app))])


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("plugins")
    (directory / "engine_api.py").write_text(ENGINE)
    return directory


# Each example sends all requests, so shrinking would take minutes. The output of `where` is enough.
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(hidden=st.lists(places(), min_size=1, max_size=3), names=st.lists(names, min_size=1, max_size=3), spare=secrets)
def test_secret_is_in_no_response_and_no_log_line(
    plugins: Path, hidden: list[tuple[str, Any]], names: list[str], spare: str
) -> None:
    known = {secret for secret, _ in hidden} | {spare}
    extra: dict[str, Any] = {f"place_{number}": value for number, (_, value) in enumerate(hidden)}
    extra |= {names[0]: spare, "remote": f"redis://me:{spare}@host:6379"}
    variables = {
        f"TEST_PLACE_{n}": value if isinstance(value, str) else json.dumps(value) for n, (_, value) in enumerate(hidden)
    }
    variables |= {name.upper(): spare for name in names}
    with captured_log() as log, environment(variables):
        with make_manager(extra_config=extra, remote_thing=f"redis://{spare}@host") as manager:
            app = create_app(manager, [plugins])
            changed = extra | {"remote": f"redis://other:{spare}@host"}
            output = all_responses(app, [{"extra_config": changed}, {"extra_config": extra, "nonsense": 1}])
        logged = log.getvalue()
    for secret in known:
        assert secret not in output, where(secret, output)
        assert secret not in logged, where(secret, logged)


def where(secret: str, text: str) -> str:
    at = text.index(secret)
    return text[max(0, at - 300) : at + 60]


def test_search_finds_a_secret_that_is_shown(plugins: Path) -> None:
    with captured_log() as log, environment({"TEST_OPENLY": "S3c-in-the-open"}), make_manager() as manager:
        assert "S3c-in-the-open" in all_responses(create_app(manager, [plugins]), [])
        logging.getLogger("tests.secrets").debug("S3c-in-the-open")
        assert "S3c-in-the-open" in log.getvalue()


def test_tokens_and_hashes_are_in_no_response_and_no_log_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    monkeypatch.setenv("LMCACHE_INTERNAL_API_SERVER_TOKEN", "S3c-single-token")
    with captured_log() as log, app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        output = ""
        for token in (tokens["boss"], "S3c-single-token", "S3c-wrong-token"):
            for method, url, headers in requests():
                output += client.open(url, method=method, headers=headers | bearer(token)).text
        path.write_text(path.read_text() + "broken: [")
        client.get("/env", headers=bearer("S3c-wrong-token"))
        output += log.getvalue() + str(audit_of(app))
    stored = re.findall(r"[0-9a-f]{32,}", path.read_text())
    assert len(stored) == 2
    for secret in (tokens["boss"], "S3c-single-token", "S3c-wrong-token", *stored):
        assert secret not in output, where(secret, output)


def test_logged_traceback_masks_only_the_secret(plugins: Path) -> None:
    with captured_log() as log, make_manager(extra_config={"remote": "redis://me:S3c-here@host"}) as manager:
        client = create_app(manager, [plugins]).test_client()
        response = client.get("/raises")
        assert response.get_json()["message"] == "gave up: no route to redis://***@host"
        assert client.get("/raises/plain").status_code == 500
    logged = log.getvalue()
    assert "S3c-here" not in logged
    assert logged.count("ConnectionError: no route to redis://***@host") == 2
    assert "engine_api.py" in logged


def test_mask_is_not_accepted_as_a_secret() -> None:
    extra = {"redis_password": "S3c-kept", "size": 1}
    with make_manager(extra_config=extra) as manager:
        client = create_app(manager).test_client()
        masked = client.get("/conf?names=extra_config").get_json(force=True)
        assert client.post("/conf", json=masked).status_code == 400
        assert manager.config.extra_config == extra
