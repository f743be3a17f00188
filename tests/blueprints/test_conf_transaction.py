"""The configuration as a transaction: atomic, conditional, recorded, rolled back."""

from __future__ import annotations

import gc
import itertools
import re
import shlex
import weakref
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lmcache_internal import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata, create_app
from lmcache_internal.configuration.history import KEPT, history_of
from lmcache_internal.configuration.live import Configuration
from lmcache_internal.engine.definitions import Definition
from tests.support import CHUNK, ROOT, SHAPE, in_thread, make_manager

NAMES = "min_retrieve_tokens,pin_timeout_sec,save_decode_cache,extra_config"


def conf(client: FlaskClient, names: str = NAMES) -> Any:
    return client.get(f"/conf?names={names}").get_json(force=True)


def details(client: FlaskClient, name: str) -> Any:
    return client.get(f"/conf?details=true&names={name}").get_json(force=True)[name]


def post(client: FlaskClient, query: str = "", **values: Any) -> TestResponse:
    return client.post(f"/conf?{query}", json=values)


def history(client: FlaskClient) -> Any:
    return client.get("/conf/history").get_json()["revisions"]


def roll_back(client: FlaskClient, number: object, **headers: str) -> TestResponse:
    return client.post(f"/conf/rollback?to={number}", headers=headers)


def etag(client: FlaskClient) -> str:
    return client.get("/conf").headers["ETag"]


class TestAllOrNone:
    def test_atomic_rejects_all_for_one_invalid_key(self, client: FlaskClient) -> None:
        before = conf(client)
        response = post(client, "atomic=true", min_retrieve_tokens=7, pin_timeout_sec=0, chunk_size=1, nope=1)
        assert response.status_code == 400
        body = response.get_json()
        assert body["updated"] == {}
        assert body["errors"].keys() == {"pin_timeout_sec", "chunk_size", "nope"}
        assert conf(client) == before
        assert history(client) == []

    @pytest.mark.parametrize(("count", "more"), [(100, []), (101, ["1 more"]), (250, ["150 more"])])
    def test_only_100_invalid_keys_are_listed(self, client: FlaskClient, count: int, more: list[str]) -> None:
        values = {f"nope_{number}": 1 for number in range(count)}
        errors = client.post("/conf", json=values).get_json()["errors"]
        assert len(errors.keys() & values.keys()) == 100
        assert [errors[name] for name in errors.keys() - values.keys()] == more

    def test_atomic_applies_all_valid_keys(self, client: FlaskClient) -> None:
        response = post(client, "atomic=true", min_retrieve_tokens="7", pin_timeout_sec=60)
        assert (response.status_code, response.get_json()) == (
            200,
            {"updated": {"min_retrieve_tokens": 7, "pin_timeout_sec": 60}},
        )

    @pytest.mark.parametrize("query", ["dry_run=true", "dry_run=1&atomic=true"])
    def test_dry_run_reports_and_applies_nothing(self, client: FlaskClient, query: str) -> None:
        before, tag = conf(client), etag(client)
        response = post(client, query, min_retrieve_tokens="7")
        assert (response.status_code, response.get_json()) == (
            200,
            {"updated": {"min_retrieve_tokens": 7}, "dry_run": True},
        )
        assert response.headers["ETag"] == tag
        assert (conf(client), history(client)) == (before, [])

    def test_dry_run_has_same_status_as_real_run(self, client: FlaskClient) -> None:
        mixed = post(client, "dry_run=true", min_retrieve_tokens=7, nope=1)
        assert (mixed.status_code, mixed.get_json()["errors"]) == (200, {"nope": "Unknown config"})
        assert post(client, "dry_run=true&atomic=true", min_retrieve_tokens=7, nope=1).status_code == 400
        assert post(client, "dry_run=true", nope=1).status_code == 400

    def test_invalid_flag_gets_400(self, client: FlaskClient) -> None:
        assert "expected bool, got 'perhaps'" in post(client, "atomic=perhaps").get_json()["message"]


class StubbornConfig(EmbeddedConfig):
    """A config that rejects a value that its definition allows."""

    refused: tuple[str, Any] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if (name, value) == self.refused:
            raise RuntimeError(f"{name} cannot be {value}")


class FragileConfig(EmbeddedConfig):
    """A config that rejects every value after a failure, including the old ones."""

    broken = False

    def __setattr__(self, name: str, value: Any) -> None:
        if self.broken:
            raise RuntimeError("broken")
        super().__setattr__(name, value)
        if (name, value) == ("min_retrieve_tokens", 7):
            type(self).broken = True


@pytest.fixture
def stubborn() -> Iterator[FlaskClient]:
    secret = {"password": "s3cret"}
    config = StubbornConfig({"chunk_size": CHUNK, "pin_timeout_sec": 100, "extra_config": secret})
    with EmbeddedManager(config, EmbeddedMetadata("test-model", SHAPE)) as manager:
        yield create_app(manager).test_client()


class TestFailureInTheMiddle:
    def test_failed_change_is_restored(self, stubborn: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(StubbornConfig, "refused", ("pin_timeout_sec", 60))
        before, tag = conf(stubborn), etag(stubborn)
        response = post(stubborn, min_retrieve_tokens=7, pin_timeout_sec=60, save_decode_cache=True)
        assert response.status_code == 500
        assert response.get_json() == {
            "error": "Failed to set the configuration",
            "message": "Setting pin_timeout_sec failed (RuntimeError: pin_timeout_sec cannot be 60), "
            "and all values were restored.",
        }
        assert (conf(stubborn), etag(stubborn), history(stubborn)) == (before, tag, [])

    def test_failed_rollback_is_restored(self, stubborn: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        post(stubborn, min_retrieve_tokens=7, pin_timeout_sec=60)
        before = conf(stubborn)
        monkeypatch.setattr(StubbornConfig, "refused", ("pin_timeout_sec", 100))
        response = roll_back(stubborn, 0)
        assert response.status_code == 500
        assert "all values were restored" in response.get_json()["message"]
        assert (conf(stubborn), len(history(stubborn))) == (before, 1)

    def test_exception_with_secret_is_masked(
        self, stubborn: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(StubbornConfig, "refused", ("extra_config", {"password": "hunter2"}))
        response = post(stubborn, extra_config={"password": "hunter2"})
        assert (response.status_code, "(RuntimeError)" in response.text) == (500, True)
        assert "hunter2" not in response.text + caplog.text

    def test_error_lists_keys_that_cannot_be_restored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(FragileConfig, "broken", False)
        config = FragileConfig({"chunk_size": CHUNK})
        with EmbeddedManager(config, EmbeddedMetadata("test-model", SHAPE)) as manager:
            response = post(create_app(manager).test_client(), min_retrieve_tokens=7, pin_timeout_sec=60)
        assert response.status_code == 500
        assert response.get_json()["message"].endswith("could not be restored: min_retrieve_tokens.")


class TestEntityTag:
    def test_tag_is_strong_opaque_and_depends_on_content(self, client: FlaskClient) -> None:
        first = etag(client)
        assert re.fullmatch(r'"[0-9a-f]{32}"', first)
        assert etag(client) == client.get("/conf?names=chunk_size").headers["ETag"] == first
        second = post(client, min_retrieve_tokens=7).headers["ETag"]
        assert second == etag(client) != first
        assert roll_back(client, 0).headers["ETag"] == etag(client) == first

    def test_any_change_including_a_secret_changes_tag(self) -> None:
        with make_manager(extra_config={"password": "s3cret"}) as manager:
            client = create_app(manager).test_client()
            text, tag = client.get("/conf").text, etag(client)
            manager.config.extra_config = {"password": "hunter2"}
            assert client.get("/conf").text == text
            assert etag(client) != tag

    def test_matching_if_match_applies_change(self, client: FlaskClient) -> None:
        headers = {"If-Match": etag(client)}
        assert client.post("/conf", json={"min_retrieve_tokens": 7}, headers=headers).status_code == 200
        again = client.post("/conf", json={"min_retrieve_tokens": 8}, headers=headers)
        assert (again.status_code, again.get_json().keys()) == (412, {"error", "message"})
        assert conf(client)["min_retrieve_tokens"] == 7

    @pytest.mark.parametrize("field", ["*", " * ", "{tag}", '"other", {tag}', ',{tag} , "a,b"', 'W/"x",\t{tag}'])
    def test_if_match_matches(self, client: FlaskClient, field: str) -> None:
        headers = {"If-Match": field.format(tag=etag(client))}
        assert client.post("/conf", json={"min_retrieve_tokens": 7}, headers=headers).status_code == 200

    @pytest.mark.parametrize("field", ["", '"other"', "W/{tag}", '"*"', '*, "a"', "{bare}", "{tag} x", 'x"', "W/*"])
    def test_if_match_does_not_match(self, client: FlaskClient, field: str) -> None:
        tag = etag(client)
        headers = {"If-Match": field.format(tag=tag, bare=tag.strip('"'))}
        for query in ("", "dry_run=true"):
            response = client.post(f"/conf?{query}", json={"min_retrieve_tokens": 7}, headers=headers)
            assert response.status_code == 412
        assert conf(client)["min_retrieve_tokens"] == 0
        assert client.get("/conf", headers=headers).status_code == 412

    def test_validation_precedes_if_match(self, client: FlaskClient) -> None:
        assert client.post("/conf", json={"nope": 1}, headers={"If-Match": '"other"'}).status_code == 400
        assert roll_back(client, 9, **{"If-Match": '"other"'}).status_code == 404

    def test_errors_and_rollbacks_have_etag(self, client: FlaskClient) -> None:
        assert post(client, nope=1).headers["ETag"] == etag(client)
        post(client, min_retrieve_tokens=7)
        assert roll_back(client, 0, **{"If-Match": '"other"'}).status_code == 412
        assert roll_back(client, 0, **{"If-Match": etag(client)}).status_code == 200

    @pytest.mark.parametrize("field", ["{tag}", "W/{tag}", "*", '"other", W/{tag}'])
    @pytest.mark.parametrize("path", ["/conf", "/conf?details=true", "/conf?names=chunk_size"])
    def test_matching_if_none_match_gets_304(self, client: FlaskClient, path: str, field: str) -> None:
        tag = etag(client)
        response = client.get(path, headers={"If-None-Match": field.format(tag=tag)})
        assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", tag)
        assert "Content-Type" not in response.headers
        assert client.head(path, headers={"If-None-Match": tag}).status_code == 304

    @pytest.mark.parametrize("field", ['"other"', "", "{bare}"])
    def test_other_if_none_match_gets_200(self, client: FlaskClient, field: str) -> None:
        headers = {"If-None-Match": field.format(bare=etag(client).strip('"'))}
        assert client.get("/conf", headers=headers).status_code == 200

    def test_if_none_match_is_ignored_for_changes(self, client: FlaskClient) -> None:
        headers = {"If-None-Match": '"other"'}
        response = client.post("/conf", json={"min_retrieve_tokens": 7}, headers=headers)
        headers = {"If-None-Match": response.headers["ETag"]}
        again = client.post("/conf", json={"min_retrieve_tokens": 7}, headers=headers)
        assert (again.status_code, again.get_json()) == (200, {"updated": {"min_retrieve_tokens": 7}})


class TestDetails:
    def test_details_describe_every_key(self, client: FlaskClient) -> None:
        assert details(client, "min_retrieve_tokens") == {
            "value": 0,
            "default": 0,
            "source": "default",
            "type": "int",
            "mutable": True,
            "minimum": 0,
            "description": "Smallest number of hit tokens that is retrieved.",
            "takes_effect": "at once",
        }
        every = client.get("/conf?details=true")
        assert every.content_type == "text/plain; charset=utf-8"
        assert list(every.get_json(force=True)) == list(client.get("/conf").get_json(force=True))

    @pytest.mark.parametrize(
        ("name", "kind", "mutable", "effect"),
        [
            ("local_disk", "str | None", True, "when its backend is recreated"),
            ("chunk_size", "int", False, "at restart"),
            ("internal_api_server_host", "str", False, "at restart"),
            ("script_allowed_imports", "list[str] | None", False, "at restart"),
            ("save_decode_cache", "bool", True, "never"),
            ("extra_config", "dict | None", True, "at once"),
        ],
    )
    def test_type_mutability_and_effect(
        self, client: FlaskClient, name: str, kind: str, mutable: bool, effect: str
    ) -> None:
        told = details(client, name)
        assert (told["type"], told["mutable"], told["takes_effect"]) == (kind, mutable, effect)

    def test_source_follows_the_value(self, tmp_path: Path) -> None:
        (tmp_path / "conf.yaml").write_text(f"chunk_size: {CHUNK}\npin_timeout_sec: 5\nlocal_cpu: true\nfuture: 1\n")
        config = EmbeddedConfig.from_file(tmp_path / "conf.yaml", {"LMCACHE_LOCAL_CPU": "false"})
        with EmbeddedManager(config, EmbeddedMetadata("test-model", SHAPE)) as manager:
            client = create_app(manager).test_client()
            names = ("pin_timeout_sec", "local_cpu", "future", "min_retrieve_tokens", "lmcache_instance_id")
            sources = {name: details(client, name)["source"] for name in names}
            assert list(sources.values()) == ["file", "env", "file", "default", "runtime"]
            post(client, pin_timeout_sec=6, min_retrieve_tokens=1)
            assert details(client, "pin_timeout_sec")["source"] == "runtime"
            assert details(client, "min_retrieve_tokens")["source"] == "runtime"
            roll_back(client, 0)
            assert details(client, "pin_timeout_sec")["source"] == "file"
            config.local_cpu = True
            assert details(client, "local_cpu")["source"] == "runtime"

    def test_source_can_be_arguments(self, client: FlaskClient) -> None:
        assert details(client, "chunk_size")["source"] == "arguments"

    def test_unknown_keys_are_immutable(self) -> None:
        with make_manager(remote_url="redis://:s3cret@h") as manager:
            told = details(create_app(manager).test_client(), "remote_url")
        assert (told["value"], told["mutable"], told["takes_effect"]) == ("redis://***@h", False, "never")


class TestHistory:
    def test_revision_has_changes_and_time(self, client: FlaskClient) -> None:
        assert history(client) == []
        post(client, min_retrieve_tokens="7", local_cpu=True, nope=1)
        (revision,) = history(client)
        made = datetime.fromisoformat(revision.pop("time"))
        assert made.utcoffset() == timedelta(0)
        assert revision == {
            "number": 1,
            "changes": {"min_retrieve_tokens": {"old": 0, "new": 7}},
            "rollback": False,
        }

    def test_noop_change_creates_no_revision(self, client: FlaskClient) -> None:
        assert post(client, min_retrieve_tokens=0).get_json() == {"updated": {"min_retrieve_tokens": 0}}
        assert post(client).status_code == 200
        assert history(client) == []

    def test_last_100_revisions_are_kept(self, client: FlaskClient, manager: EmbeddedManager) -> None:
        assert history_of(manager).number == 0
        for number in range(1, KEPT + 3):
            post(client, min_retrieve_tokens=number)
            assert history_of(manager).number == number
        assert [revision["number"] for revision in history(client)] == list(range(3, KEPT + 3))
        response = roll_back(client, 2)
        assert response.status_code == 404
        assert "3 to 102 are kept, and 0" in response.get_json()["message"]
        assert roll_back(client, 3).get_json() == {"updated": {"min_retrieve_tokens": 3}}
        assert roll_back(client, 0).get_json() == {"updated": {"min_retrieve_tokens": 0}}

    def test_history_lives_as_long_as_engine(self) -> None:
        with make_manager() as manager, make_manager(worker_id=1) as other:
            post(create_app(manager).test_client(), min_retrieve_tokens=7)
            assert len(history(create_app(manager).test_client())) == 1
            assert history(create_app(other).test_client()) == []
            gone = weakref.ref(history_of(manager))
        del manager
        gc.collect()
        assert gone() is None

    def test_concurrent_changes_are_all_recorded(self, manager: EmbeddedManager) -> None:
        clients = [create_app(manager).test_client() for _ in range(8)]
        started = [in_thread(lambda c=c, n=n: post(c, min_retrieve_tokens=n + 1)) for n, c in enumerate(clients)]  # type: ignore[misc]
        for thread, _ in started:
            thread.join()
        changes = [revision["changes"]["min_retrieve_tokens"] for revision in history(clients[0])]
        assert {change["new"] for change in changes} == set(range(1, 9))
        assert [change["old"] for change in changes] == [0, *(change["new"] for change in changes)][:8]


class TestRollback:
    def test_rollback_creates_a_new_revision(self, client: FlaskClient) -> None:
        post(client, min_retrieve_tokens=1)
        post(client, min_retrieve_tokens=2, pin_timeout_sec=60)
        post(client, min_retrieve_tokens=3)
        response = roll_back(client, 1)
        assert (response.status_code, response.mimetype) == (200, "application/json")
        assert response.get_json() == {"updated": {"min_retrieve_tokens": 1, "pin_timeout_sec": 300}}
        newest = history(client)[-1]
        assert (newest["number"], newest["rollback"]) == (4, True)
        assert newest["changes"]["pin_timeout_sec"] == {"old": 60, "new": 300}
        roll_back(client, 3)
        assert conf(client, "min_retrieve_tokens,pin_timeout_sec") == {"min_retrieve_tokens": 3, "pin_timeout_sec": 60}
        roll_back(client, 4)
        assert conf(client, "min_retrieve_tokens,pin_timeout_sec") == {"min_retrieve_tokens": 1, "pin_timeout_sec": 300}

    def test_revision_zero_is_the_start(self, client: FlaskClient) -> None:
        before = client.get("/conf").text
        post(client, min_retrieve_tokens=1, extra_config={"a": 1})
        post(client, extra_config=None, local_disk="/x")
        assert roll_back(client, 0).status_code == 200
        assert client.get("/conf").text == before

    @pytest.mark.parametrize("number", [1, 10**30])
    def test_unknown_revision_gets_404(self, client: FlaskClient, number: int) -> None:
        response = roll_back(client, number)
        assert (response.status_code, response.get_json().keys()) == (404, {"error", "message"})

    @pytest.mark.parametrize("query", ["", "?to=", "?to=-1", "?to=x", "?to=1.0"])
    def test_revision_that_is_not_a_number_gets_400(self, client: FlaskClient, query: str) -> None:
        assert client.post(f"/conf/rollback{query}").status_code == 400

    def test_rollback_without_difference_changes_nothing(self, client: FlaskClient) -> None:
        assert roll_back(client, 0).get_json() == {"updated": {}}
        post(client, min_retrieve_tokens=1)
        assert roll_back(client, 1).get_json() == {"updated": {}}
        assert len(history(client)) == 1

    def test_dry_run_rollback_reports_changes(self, client: FlaskClient, manager: EmbeddedManager) -> None:
        post(client, min_retrieve_tokens=1, extra_config={"password": "x1y2"})
        manager.config.pin_timeout_sec = 60
        before, tag = conf(client), etag(client)
        response = client.post("/conf/rollback?to=0&dry_run=true", headers={"If-Match": tag})
        assert response.get_json() == {"updated": {"min_retrieve_tokens": 0, "extra_config": None}, "dry_run": True}
        assert (conf(client), etag(client), len(history(client))) == (before, tag, 1)
        roll_back(client, 0)
        told = client.post("/conf/rollback?to=1&dry_run=true").get_json()
        assert told == {"updated": {"min_retrieve_tokens": 1, "extra_config": {"password": "***"}}, "dry_run": True}
        assert client.post("/conf/rollback?to=3&dry_run=true").status_code == 404
        assert client.post("/conf/rollback?to=1&dry_run=true", headers={"If-Match": tag}).status_code == 412

    def test_rollback_overrides_values_set_by_others(self, client: FlaskClient, manager: EmbeddedManager) -> None:
        post(client, min_retrieve_tokens=1, extra_config={"a": [1]})
        manager.config.min_retrieve_tokens = 5
        manager.config.pin_timeout_sec = 60
        assert manager.config.extra_config is not None
        manager.config.extra_config["a"].append(2)
        assert len(history(client)) == 1
        roll_back(client, 1)
        assert conf(client, "min_retrieve_tokens,pin_timeout_sec,extra_config") == {
            "min_retrieve_tokens": 1,
            "pin_timeout_sec": 60,
            "extra_config": {"a": [1]},
        }
        manager.config.extra_config["a"].append(3)
        roll_back(client, 1)
        assert manager.config.extra_config == {"a": [1]}

    def test_rollback_does_not_change_security_settings(self, client: FlaskClient, manager: EmbeddedManager) -> None:
        post(client, extra_config={"a": 1}, min_retrieve_tokens=1)
        manager.config.extra_config = {"a": 1, "internal_api_server_max_access": "viewer"}
        response = roll_back(client, 0)
        assert (response.status_code, response.get_json()["updated"]) == (400, {})
        assert "max_access" in response.get_json()["errors"]["extra_config"]
        assert manager.config.min_retrieve_tokens == 1


def test_no_response_or_log_contains_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with make_manager(extra_config={"password": "s3cret-1", "url": "redis://u:s3cret-2@h"}) as manager:
        client = create_app(manager).test_client()
        answers = [
            post(client, extra_config={"password": "s3cret-3"}),
            post(client, "dry_run=true", extra_config={"password": "s3cret-4"}),
            post(client, extra_config=[{"password": "s3cret-5"}], local_disk=["redis://u:s3cret-6@h"]),
            client.get("/conf?details=true"),
            client.get("/conf/history"),
            roll_back(client, 0),
            client.get("/conf/history"),
            client.get("/conf?details=true"),
        ]
        assert manager.config.extra_config == {"password": "s3cret-1", "url": "redis://u:s3cret-2@h"}
    told = "".join(answer.text + str(answer.headers) for answer in answers) + caplog.text
    assert "s3cret" not in told
    assert "***" in told


def test_converter_error_with_secret_is_masked() -> None:
    def convert(url: str) -> str:
        raise ValueError(f"{url} has no port")

    definitions = {"remote_url": Definition(str | None, env_converter=convert)}
    accepted, errors = Configuration(EmbeddedConfig(), definitions).check({"remote_url": "redis://u:s3cret@h"})
    assert accepted == {}
    assert errors == {"remote_url": "Invalid value for remote_url: redis://***@h has no port"}


def test_changes_are_audited(client: FlaskClient) -> None:
    post(client, min_retrieve_tokens=7)
    entry = client.get("/audit").get_json()[-1]
    assert (entry["path"], entry["changes"]) == ("/conf", {"min_retrieve_tokens": {"old": 0, "new": 7}})


@pytest.mark.parametrize(("method", "path"), [("GET", "/conf/history"), ("POST", "/conf/rollback?to=0")])
def test_missing_engine_gets_503(method: str, path: str) -> None:
    assert create_app(None).test_client().open(path, method=method).status_code == 503


def test_documented_commands_work(client: FlaskClient) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    commands = [shlex.split(line) for line in re.findall(r"^curl .*$", text, re.MULTILINE)]
    assert len(commands) == 11
    for command in commands:
        given = dict(itertools.pairwise(command))
        (url,) = [word for word in command if word.startswith("http://localhost:7000")]
        headers = dict([given["-H"].split(": ")]) if "-H" in given else {}
        path = url.removeprefix("http://localhost:7000")
        response = client.open(path, method=given.get("-X", "GET"), data=given.get("-d"), headers=headers)
        assert response.status_code == 200, command


def test_without_sources_in_the_config_a_key_is_changed_until_it_has_its_first_value_again(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(EmbeddedConfig, "source_of")  # LMCache's config has no such method.
    sources = []
    for value in (None, 64, 0):
        if value is not None:
            assert client.post("/conf", json={"min_retrieve_tokens": value}).status_code == 200
        sources.append([details(client, name)["source"] for name in ("min_retrieve_tokens", "pin_timeout_sec")])
    assert sources == [["default", "default"], ["runtime", "default"], ["default", "default"]]
