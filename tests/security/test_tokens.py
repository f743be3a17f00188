"""Tokens: a valid token gives its role; an invalid token is refused, limited and audited."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from lmcache_internal.errors import ConfigError, TooManyRequests
from lmcache_internal.roles import Role
from lmcache_internal.security.limiter import _MAX_ADDRESSES, FAILURES, FailureLimiter
from lmcache_internal.security.token import new_token
from lmcache_internal.security.token_file import read_tokens_file, write_tokens_file
from lmcache_internal.security.tokens import TokenStore
from tests.security.support import app_with, ask, audit_of, bearer, serving, token_file

ENV = "LMCACHE_INTERNAL_API_SERVER_TOKEN"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return token_file(tmp_path, first="viewer")[0]


@pytest.fixture
def client(path: Path) -> Iterator[FlaskClient]:
    with app_with(tokens_file=str(path)) as app:
        yield app.test_client()


def rewrite(path: Path, content: str, mode: int = 0o600) -> None:
    path.write_text(content)
    path.chmod(mode)


def test_token_has_its_role_and_other_clients_get_only_public_routes(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, reader="viewer", boss="admin")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        assert client.get("/conf", headers=bearer(tokens["reader"])).status_code == 200
        assert client.get("/env", headers=bearer(tokens["reader"])).status_code == 403
        assert client.get("/env", headers=bearer(tokens["boss"])).status_code == 200
        assert client.get("/metrics").status_code == 200
        refused = client.get("/conf")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "curl -H 'Authorization: Bearer" in refused.get_json()["message"]


def test_another_verifier_puts_tokens_in_use() -> None:
    store = TokenStore(None, {}, strict=True)
    in_use = [store.in_use]
    store.accept("key".__eq__, "lmcache-api-key")
    assert [*in_use, store.in_use] == [False, True]
    assert store.find("other") is None
    found = store.find("key")
    assert found is not None
    assert (found.name, found.role) == ("lmcache-api-key", "admin")


def test_local_connection_needs_a_token_if_tokens_are_configured(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    for kind in ("tcp", "unix"):
        with serving(tmp_path, kind, {"tokens_file": str(path)}) as server:
            assert ask(server, "GET /conf").status == 401
            assert ask(server, "GET /conf", f"Authorization: Bearer {tokens['boss']}").status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_authorization_scheme_is_case_insensitive(tmp_path: Path, scheme: str) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    with app_with(tokens_file=str(path)) as app:
        headers = {"Authorization": f"{scheme} {tokens['boss']}"}
        assert app.test_client().get("/env", headers=headers).status_code == 200


def wrong_headers(token: str) -> list[str]:
    return [
        "Authorization: Bearer",
        "Authorization: Bearer ",
        "Authorization:",
        "Authorization: Bearer   \t ",
        f"Authorization: {token}",
        f"Authorization: Token {token}",
        f"Authorization: Basic {token}",
        f"Authorization: Bearer{token}",
        f"Authorization: Bearer {token[:-1]}",
        f"Authorization: Bearer {token}x",
        f"Authorization: Bearer {token.upper()}",
        f"Authorization: Bearer {token}, Bearer {token}",
        f"Authorization: Bearer x\r\nAuthorization: Bearer {token}",
        f"Authorization: Bearer {token}\r\nAuthorization: Bearer {token}",
        "Authorization: Bearer \xff\xfe\xe4",
        "Authorization: Bearer \x00",
        "Authorization: Bearer " + "x" * 20_000,
        f"Authorization_: Bearer {token}",
        f"Proxy-Authorization: Bearer {token}",
        f"X-Authorization: Bearer {token}",
        f"Cookie: token={token}; Authorization=Bearer {token}",
    ]


def test_only_a_complete_token_in_its_header_is_accepted(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    with serving(tmp_path, extra={"tokens_file": str(path)}) as server:
        for header in wrong_headers(tokens["boss"]):
            assert ask(server, "GET /env", header).status in (400, 401, 429, 431), header[:80]
        assert ask(server, "GET /env", f"Authorization: Bearer {tokens['boss']}").status == 200


@pytest.mark.parametrize("name", ["token", "access_token", "Authorization", "bearer", "api_key"])
def test_token_in_the_query_is_ignored_and_not_recorded(tmp_path: Path, name: str) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    with app_with(tokens_file=str(path)) as app:
        response = app.test_client().get("/env", query_string={name: tokens["boss"]})
        assert response.status_code == 401
        assert tokens["boss"] not in response.text
        assert tokens["boss"] not in str(audit_of(app))


def test_tokens_file_contains_only_salted_hashes(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, a="viewer", b="viewer")
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_text()
    assert not any(text in content for text in tokens.values())
    one, two = yaml.safe_load(content)["tokens"]
    assert one["salt"] != two["salt"]
    assert one["hash"] == hashlib.sha256((one["salt"] + tokens["a"]).encode()).hexdigest()
    assert len(tokens["a"]) >= 43  # 256 bits.


def test_hash_is_not_accepted_as_a_token(tmp_path: Path) -> None:
    path, _ = token_file(tmp_path, boss="admin")
    (entry,) = yaml.safe_load(path.read_text())["tokens"]
    with app_with(tokens_file=str(path)) as app:
        for stolen in (entry["hash"], entry["salt"], entry["salt"] + entry["hash"]):
            assert app.test_client().get("/env", headers=bearer(stolen)).status_code == 401


def test_missing_file_admits_no_client_until_it_exists(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with app_with(tokens_file=str(tmp_path / "tokens.yaml")) as app:
        client = app.test_client()
        assert client.get("/conf").status_code == 401
        assert "tokens.yaml cannot be used: No such file or directory" in caplog.text
        _, tokens = token_file(tmp_path, late="viewer")
        assert client.get("/conf", headers=bearer(tokens["late"])).status_code == 200


def test_changed_file_is_reloaded(tmp_path: Path) -> None:
    path, old = token_file(tmp_path, a="viewer")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        assert client.get("/conf", headers=bearer(old["a"])).status_code == 200
        _, new = token_file(tmp_path, a="operator")
        assert client.get("/conf", headers=bearer(old["a"])).status_code == 401
        assert client.put("/freeze/disable", headers=bearer(new["a"])).status_code == 200


BROKEN = {
    "yaml": "tokens: [",
    "a list": "- a\n- b",
    "a text": "tokens",
    "deep": "[\n" * 5000,  # Without the line breaks, PyYAML takes a second.
    "key error": "tokens: !!bool maybe",
    "unknown field": "tokens: []\nadmins: []",
    "level": "tokens: [{name: a, level: root, salt: '00', hash: '" + "0" * 64 + "'}]",
    "hash": "tokens: [{name: a, level: admin, salt: '00', hash: 'ä'}]",
    "short hash": "tokens: [{name: a, level: admin, salt: '00', hash: ''}]",
    "missing": "tokens: [{name: a, level: admin}]",
    "python": "tokens: !!python/object/apply:os.system [true]",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_invalid_edit_keeps_the_last_valid_tokens_and_is_logged(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, tokens = token_file(tmp_path, a="viewer")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        rewrite(path, content)
        for _ in range(2):
            assert client.get("/conf", headers=bearer(tokens["a"])).status_code == 200
            assert client.get("/conf", headers=bearer("other")).status_code == 401
        errors = [record for record in caplog.records if "the 1 tokens read before stay valid" in record.getMessage()]
        assert [record.levelno for record in errors] == [logging.ERROR]
        assert str(path) in errors[0].getMessage()
        _, new = token_file(tmp_path, b="viewer")
        assert client.get("/conf", headers=bearer(new["b"])).status_code == 200
        assert client.get("/conf", headers=bearer(tokens["a"])).status_code == 401


@pytest.mark.parametrize("content", ["tokens: !!bool maybe", "tokens: [{name: a, level: admin, salt: '', hash: 'ä'}]"])
def test_invalid_file_at_the_start_admits_no_client(tmp_path: Path, content: str) -> None:
    rewrite(tmp_path / "tokens.yaml", content)
    with app_with(tokens_file=str(tmp_path / "tokens.yaml")) as app:
        assert app.test_client().get("/conf", headers=bearer("x")).status_code == 401


def test_binary_missing_and_directory_keep_the_last_valid_tokens(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, a="viewer")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        path.write_bytes(b"\xff\xfe\x00")
        assert client.get("/conf", headers=bearer(tokens["a"])).status_code == 200
        path.unlink()
        assert client.get("/conf", headers=bearer(tokens["a"])).status_code == 200
        path.mkdir(mode=0o700)
        assert client.get("/conf", headers=bearer(tokens["a"])).status_code == 200
        assert client.get("/conf", headers=bearer("x")).status_code == 401


def test_empty_file_has_no_tokens(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, a="viewer")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        rewrite(path, "")
        assert client.get("/conf", headers=bearer(tokens["a"])).status_code == 401
        assert client.get("/conf").status_code == 401


def test_writing_through_a_link_changes_its_target(tmp_path: Path) -> None:
    path, _ = token_file(tmp_path, a="viewer")
    link = tmp_path / "link"
    link.symlink_to(path)
    write_tokens_file(link, [])
    assert link.is_symlink()
    assert read_tokens_file(path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write another user's file")
def test_file_that_root_writes_keeps_its_owner(path: Path) -> None:
    os.chown(path, 65534, -1)
    write_tokens_file(path, [])
    assert path.stat().st_uid == 65534
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("passed", "seconds"), [(0.0, "61"), (0.5, "60"), (59.5, "1"), (60.0, None)])
def test_a_refusal_after_many_invalid_tokens_says_when_to_try_again(
    monkeypatch: pytest.MonkeyPatch, passed: float, seconds: str | None
) -> None:
    now = 1000.0
    monkeypatch.setattr("lmcache_internal.security.limiter.time.monotonic", lambda: now)
    limiter = FailureLimiter()
    for _ in range(FAILURES):
        limiter.count("10.0.0.1")
    now += passed
    if seconds is None:
        limiter.count("10.0.0.1")
        return
    with pytest.raises(TooManyRequests, match=f"from 10.0.0.1; try again in {seconds} s") as caught:
        limiter.count("10.0.0.1")
    assert caught.value.headers["Retry-After"] == seconds


def test_the_wait_ends_with_the_oldest_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("lmcache_internal.security.limiter.time.monotonic", lambda: now)
    limiter = FailureLimiter()
    for _ in range(FAILURES):
        limiter.count("10.0.0.1")
        now += 5
    with pytest.raises(TooManyRequests, match=f"try again in {60 - 5 * FAILURES + 1} s"):
        limiter.count("10.0.0.1")


def test_of_many_networks_the_one_that_failed_longest_ago_is_forgotten() -> None:
    limiter = FailureLimiter()
    for _ in range(FAILURES):
        limiter.count("10.0.0.1")
    for number in range(_MAX_ADDRESSES):
        limiter.count(f"10.1.{number >> 8}.{number & 255}")
    limiter.count("10.0.0.1")
    for _ in range(FAILURES - 1):
        limiter.count("10.0.0.1")
    with pytest.raises(TooManyRequests):
        limiter.count("10.0.0.1")


def test_invalid_tokens_are_limited_and_valid_tokens_are_not(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, a="viewer")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        statuses = [client.get("/conf", headers=bearer(f"guess {n}")).status_code for n in range(FAILURES + 2)]
        assert statuses == [401] * FAILURES + [429] * 2
        limited = client.get("/conf", headers=bearer("guess"))
        assert 1 <= int(limited.headers["Retry-After"]) <= 61
        assert client.get("/conf", headers=bearer(tokens["a"])).status_code == 200
        elsewhere = client.get("/conf", headers=bearer("guess"), environ_base={"REMOTE_ADDR": "10.0.0.9"})
        assert elsewhere.status_code == 401
        # A forwarded address does not count; the address of the connection does.
        claimed = client.get("/conf", headers=bearer("guess") | {"X-Forwarded-For": "10.0.0.7"})
        assert claimed.status_code == 429
        entries = audit_of(app)
        assert [entry["status"] for entry in entries] == [401] * FAILURES + [429, 429, 429, 401, 429]
        assert {entry["outcome"] for entry in entries} == {"refused"}
        assert "guess" not in str(entries)


NETWORKS = [
    (["2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:0db8:0001:0002:0:0:0:3"], "2001:db8:1:3::1"),
    (["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1"], "10.0.0.1"),
    (["192.0.2.1", "::ffff:192.0.2.1"], "192.0.2.2"),
    (["localhost"], "127.0.0.1"),
]


@pytest.mark.parametrize(("addresses", "other"), NETWORKS)
def test_addresses_of_one_network_are_counted_together(addresses: list[str], other: str) -> None:
    limiter = FailureLimiter()
    for _, address in zip(range(FAILURES), itertools.cycle(addresses), strict=False):
        limiter.count(address)
    for address in addresses:
        with pytest.raises(TooManyRequests):
            limiter.count(address)
    limiter.count(other)


def test_invalid_token_is_refused_for_public_routes(client: FlaskClient) -> None:
    response = client.get("/metrics", headers=bearer("wrong"))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


class TestSingleToken:
    def test_token_has_role_admin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(ENV, "t0ken")
        with app_with() as app:
            client = app.test_client()
            assert client.get("/env").status_code == 401
            assert client.get("/env", headers=bearer("t0ken")).status_code == 200
            assert client.get("/env", headers=bearer("t0ke")).status_code == 401

    def test_token_can_come_from_a_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("t0ken\n")
        monkeypatch.setenv(f"{ENV}_FILE", str(tmp_path / "secret"))
        with app_with() as app:
            assert app.test_client().get("/env", headers=bearer("t0ken")).status_code == 200

    @pytest.mark.parametrize("content", ["", " \n", None, b"\xff"])
    def test_unusable_file_is_a_config_error(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: Any
    ) -> None:
        if content is not None:
            (tmp_path / "secret").write_bytes(content if isinstance(content, bytes) else content.encode())
        monkeypatch.setenv(f"{ENV}_FILE", str(tmp_path / "secret"))
        with pytest.raises(ConfigError, match=f"{ENV}_FILE"), app_with():
            pass

    @pytest.mark.parametrize("token", [" ", "\t", " padded ", "two words", "gr\u00fc\u00df", "\udcff", "a\nb", "\x7f"])
    def test_token_that_a_header_cannot_carry_is_refused_at_start(
        self, monkeypatch: pytest.MonkeyPatch, token: str, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_bytes(b"x" + token.encode("utf-8", "surrogateescape") + b"x")
        for name, value in ((ENV, token), (f"{ENV}_FILE", str(tmp_path / "secret"))):
            monkeypatch.setenv(name, value)
            with pytest.raises(ConfigError, match=f"^{name}.* does not contain a token") as refused, app_with():
                pass
            assert token.strip() == "" or token.strip() not in str(refused.value)
            monkeypatch.delenv(name)

    def test_tokens_file_is_refused_as_a_token(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        monkeypatch.setenv(f"{ENV}_FILE", str(path))
        with pytest.raises(ConfigError, match="contains the hashes of a tokens file, not a token"), app_with():
            pass

    def test_file_that_others_may_write_is_refused(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("t0ken")
        (tmp_path / "secret").chmod(0o666)
        monkeypatch.setenv(f"{ENV}_FILE", str(tmp_path / "secret"))
        with pytest.raises(ConfigError, match="other users may write to it"), app_with():
            pass

    def test_token_is_valid_in_addition_to_the_tokens_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        path, tokens = token_file(tmp_path, a="viewer")
        monkeypatch.setenv(ENV, "t0ken")
        with app_with(tokens_file=str(path)) as app:
            client = app.test_client()
            assert client.get("/env", headers=bearer("t0ken")).status_code == 200
            assert client.get("/conf", headers=bearer(tokens["a"])).status_code == 200


def test_every_stored_hash_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, tokens = token_file(tmp_path, a="viewer", b="viewer", c="viewer")
    store = TokenStore(path, {}, strict=False)
    compared: list[Any] = []
    real = hmac.compare_digest

    def counting(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    for text in (*tokens.values(), "none of them"):
        compared.clear()
        store.find(text)
        assert len(compared) == 3


def test_new_tokens_differ() -> None:
    assert len({new_token("a", Role.VIEWER)[0] for _ in range(100)}) == 100


def test_invalid_path_is_a_config_error() -> None:
    with (
        pytest.raises(ConfigError, match="internal_api_server_tokens_file: expected a path, got 7"),
        app_with(tokens_file=7),
    ):
        pass
