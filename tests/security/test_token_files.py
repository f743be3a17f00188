"""A server refuses a tokens file that other users may change, and reports why it cannot use a file."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from lmcache_internal.errors import ConfigError
from lmcache_internal.security.token_file import read_tokens_file, write_tokens_file
from lmcache_internal.system import file_trust
from tests.security.support import app_with, bearer, token_file

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


def mounted_secret(directory: Path, mode: int) -> tuple[Path, dict[str, str]]:
    """Create a Secret volume as kubelet does: tokens.yaml -> ..data/tokens.yaml, ..data -> a directory."""
    volume = directory / "secret"
    content = volume / "..2026_11_29_08_00_00.123"
    content.mkdir(parents=True)
    _, tokens = token_file(content, boss="admin")
    (content / "tokens.yaml").chmod(mode)
    (volume / "..data").symlink_to(content.name)
    (volume / "tokens.yaml").symlink_to("..data/tokens.yaml")
    content.chmod(0o755)
    volume.chmod(0o1777)  # A tmpfs has the sticky bit.
    return volume / "tokens.yaml", tokens


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o444, 0o600, 0o640, 0o644, 0o755])
def test_mounted_secret_that_others_may_read_is_accepted(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    path, tokens = mounted_secret(tmp_path, mode)
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        assert client.get("/env", headers=bearer(tokens["boss"])).status_code == 200
        assert client.get("/env").status_code == 401
        assert client.get("/healthz/tokens").status_code == 200
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert ["may read the tokens file" in message for message in warned] == [True] * bool(mode & 0o004)


def test_secret_that_kubelet_replaces_is_reloaded(tmp_path: Path) -> None:
    path, old = mounted_secret(tmp_path, 0o440)
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        assert client.get("/env", headers=bearer(old["boss"])).status_code == 200
        newer = path.parent / "..2026_11_29_09_00_00.456"
        newer.mkdir()
        _, new = token_file(newer, boss="admin")
        (path.parent / "..data_tmp").symlink_to(newer.name)
        (path.parent / "..data_tmp").rename(path.parent / "..data")
        assert client.get("/env", headers=bearer(new["boss"])).status_code == 200
        assert client.get("/env", headers=bearer(old["boss"])).status_code == 401


def assert_refused(tmp_path: Path, path: Path, token: str, reason: str) -> None:
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        for headers in ({}, bearer(token)):
            response = client.get("/conf", headers=headers)
            assert response.status_code == 401
            message = response.get_json()["message"]
            assert f"The server cannot use its tokens file: {reason}" in message
            assert str(tmp_path) not in message
        health = client.get("/healthz")
        assert (health.status_code, str(tmp_path) in health.text) == (503, False)
        assert f"[-]tokens failed: the tokens file cannot be used: {reason}" in health.text
        assert client.get("/readyz").status_code == 200
        assert "[!]tokens warning" in client.get("/readyz?verbose").text


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o660, 0o666, 0o622])
def test_file_that_others_may_write_is_refused_and_reported(tmp_path: Path, mode: int) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    path.chmod(mode)
    assert_refused(tmp_path, path, tokens["boss"], f"other users may write to it (mode {mode:04o})")


@pytest.mark.parametrize("mode", [0o777, 0o707, 0o2777])
@pytest.mark.parametrize("depth", [0, 1])
def test_directory_that_others_may_write_is_refused(tmp_path: Path, mode: int, depth: int) -> None:
    directory = tmp_path / "a" / "b"
    directory.mkdir(parents=True)
    path, tokens = token_file(directory, boss="admin")
    path.parents[depth].chmod(mode)
    assert_refused(tmp_path, path, tokens["boss"], "other users may replace it")


def test_link_in_a_directory_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "link").symlink_to(path)
    (tmp_path / "open").chmod(0o777)
    assert_refused(tmp_path, tmp_path / "open" / "link", tokens["boss"], "other users may replace it")


def test_group_writable_directory_is_refused_except_for_the_private_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = token_file(tmp_path, boss="admin")
    tmp_path.chmod(0o770)
    monkeypatch.setattr(file_trust, "_is_own_group", lambda gid: gid != os.getegid())
    with pytest.raises(ConfigError, match="other users may replace it"):
        read_tokens_file(path)
    monkeypatch.setattr(file_trust, "_is_own_group", lambda gid: gid == os.getegid())
    assert len(read_tokens_file(path)) == 1


@as_root
def test_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    os.chown(path, NOBODY, -1)
    assert_refused(tmp_path, path, tokens["boss"], f"it belongs to uid {NOBODY}")
    assert len(read_tokens_file(path, any_owner=True)) == 1


@as_root
def test_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    path, tokens = token_file(tmp_path / "theirs", boss="admin")
    os.chown(path.parent, NOBODY, -1)
    assert_refused(tmp_path, path, tokens["boss"], "other users may replace it")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o610])
def test_strict_setting_refuses_a_file_that_others_may_read(tmp_path: Path, mode: int) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    path.chmod(mode)
    with app_with(tokens_file=str(path), tokens_file_strict=True) as app:
        client = app.test_client()
        response = client.get("/conf", headers=bearer(tokens["boss"]))
        assert response.status_code == 401
        assert f"other users may read it (mode {mode:04o})" in response.get_json()["message"]
        path.chmod(0o600)
        assert client.get("/conf", headers=bearer(tokens["boss"])).status_code == 200
        assert client.get("/healthz/tokens").status_code == 200


def test_without_the_strict_setting_others_may_read_the_file(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    path.chmod(0o644)
    with app_with(tokens_file=str(path)) as app:
        assert app.test_client().get("/conf", headers=bearer(tokens["boss"])).status_code == 200


def test_file_that_becomes_invalid_is_reported_and_its_tokens_stay_valid(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        path.write_text("tokens: [")
        assert client.get("/conf", headers=bearer(tokens["boss"])).status_code == 200
        assert "its format is wrong: not valid YAML, line" in client.get("/healthz").text


SECRETS = ["lmci_abcdef0123456789", "sup3r-S3cret!", "p:assw0rd S3cret", "'S3cret", "S3cret: x", "- S3cret", "@S3cret"]


@pytest.mark.parametrize("content", SECRETS)
def test_content_of_a_wrong_file_is_not_shown(tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(content + "\n")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        shown = client.get("/conf").text + client.get("/healthz").text + caplog.text
    assert not any(word in shown for word in ("S3cret", "assw0rd", "lmci_"))
    assert ("contains a token, not the hashes of tokens" in shown) == (" " not in content)


def test_old_name_of_the_setting_works_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    with app_with(token_file=str(path)) as app:
        assert app.test_client().get("/env", headers=bearer(tokens["boss"])).status_code == 200
        assert app.test_client().get("/env").status_code == 401
    assert "internal_api_server_token_file is deprecated" in caplog.text
    with pytest.raises(ConfigError, match="name two files"), app_with(token_file="a", tokens_file="b"):
        pass


def test_edited_file_keeps_its_read_permissions(tmp_path: Path) -> None:
    path, _ = token_file(tmp_path, boss="admin")
    for mode, kept in ((0o640, 0o640), (0o644, 0o644), (0o600, 0o600), (0o666, 0o644), (0o755, 0o644)):
        path.chmod(mode)
        write_tokens_file(path, [])
        assert path.stat().st_mode & 0o7777 == kept


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        (b"\xff", "it is not UTF-8 text"),
        (
            b"tokens: [",
            "its format is wrong: not valid YAML, line 1; create it with `lmcache-internal token new --file`",
        ),
    ],
)
def test_the_message_ends_with_the_advice_if_there_is_one(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "tokens.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        read_tokens_file(path)
    assert str(raised.value) == f"The tokens file {path} cannot be used: {message}"
