"""The audit log has one line of JSON for each request that is refused or changes something, and no other lines."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from lmcache_internal import InternalAPIServer, create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.security.audit import KEPT, MAX_ARGUMENTS, MAX_DETAILS, MAX_TEXT, MAX_VALUES, note
from tests.security.support import app_with, ask, audit_of, bearer, last_audit, serving, token_file
from tests.support import make_manager, run_script

LOGGER = "lmcache_internal.audit"


def test_change_is_one_complete_json_line(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=LOGGER)
    client.put("/bypass/add?backend_name=LocalCPUBackend", environ_base={"REMOTE_ADDR": "127.0.0.9"})
    (line,) = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert "\n" not in line
    entry = json.loads(line)
    assert entry.pop("time").endswith("+00:00")
    assert 0 < entry.pop("seconds") < 5
    assert entry == {
        "caller": "local",
        "level": "admin",
        "address": "127.0.0.9",
        "method": "PUT",
        "path": "/bypass/add",
        "arguments": {"backend_name": "LocalCPUBackend"},
        "status": 200,
        "outcome": "done",
    }


def test_reads_are_not_audited(client: FlaskClient, app: InternalApp) -> None:
    for path in ("/", "/conf", "/env", "/metrics", "/loglevel", "/loglevel?level=", "/nothing", "/audit", "/threads"):
        client.get(path)
        client.head(path)
    client.options("/conf")
    client.post("/no/such/path")
    assert audit_of(app) == []


@pytest.mark.parametrize(
    ("method", "path", "status", "outcome"),
    [
        ("POST", "/cache/store?tokens_mock=x", 400, "failed"),
        ("DELETE", "/backends/none", 404, "failed"),
        ("POST", "/chunk_statistics/start", 503, "failed"),
        ("PUT", "/freeze/disable", 200, "done"),
        ("GET", "/loglevel?logger_name=tests.audit&level=INFO", 200, "done"),
        ("HEAD", "/loglevel?logger_name=tests.audit&level=INFO", 200, "done"),
    ],
)
def test_outcome_follows_the_status(client: FlaskClient, method: str, path: str, status: int, outcome: str) -> None:
    assert client.open(path, method=method).status_code == status
    entry = last_audit(client)
    assert (entry["method"], entry["status"], entry["outcome"]) == (method, status, outcome)


def test_each_kind_of_refusal_is_audited(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, reader="viewer")
    with app_with(tokens_file=str(path), allowed_hosts="engine.example") as app:
        client = app.test_client()
        client.get("/env")
        client.get("/env", headers=bearer("wrong"))
        client.get("/env", headers=bearer(tokens["reader"]))
        client.get("/conf", headers={"Host": "evil.example"})
        client.post("/conf", headers=bearer(tokens["reader"]) | {"Origin": "http://evil.example"})
        seen = [(entry["caller"], entry["level"], entry["status"], entry["outcome"]) for entry in audit_of(app)]
    assert seen == [
        ("anonymous", "public", 401, "refused"),
        ("unknown", "none", 401, "refused"),
        ("reader", "viewer", 403, "refused"),
        ("unknown", "none", 403, "refused"),
        ("reader", "viewer", 403, "refused"),
    ]
    assert tokens["reader"] not in str(seen)


def test_script_is_audited_by_its_sha256(server: InternalAPIServer) -> None:
    source = b"result = 'once'"
    assert run_script(server, source) == (200, b"once")
    entry = audit_of(server.app)[-1]
    assert entry["script_sha256"] == hashlib.sha256(source).hexdigest()
    assert "once" not in str(entry)


def test_failed_script_is_audited_by_its_sha256(client: FlaskClient) -> None:
    client.post("/run_script", data={"script": (BytesIO(b"1/0"), "s.py")})
    entry = last_audit(client)
    assert (entry["status"], entry["outcome"]) == (500, "failed")
    assert entry["script_sha256"] == hashlib.sha256(b"1/0").hexdigest()


def test_changed_values_are_audited_and_secrets_masked(client: FlaskClient) -> None:
    values = {"min_retrieve_tokens": 7, "extra_config": {"redis_password": "hunter2", "size": 1}}
    assert client.post("/conf", json=values).status_code == 200
    entry = last_audit(client)
    assert entry["changes"] == {
        "min_retrieve_tokens": {"old": 0, "new": 7},
        "extra_config": {"old": None, "new": {"redis_password": "***", "size": 1}},
    }


def test_all_values_of_a_repeated_argument_are_audited(client: FlaskClient) -> None:
    # The endpoint uses the last value, so the log must show more than the first.
    client.put("/bypass/add?backend_name=Harmless&backend_name=LocalCPUBackend")
    assert last_audit(client)["arguments"] == {"backend_name": ["Harmless", "LocalCPUBackend"]}


LONG = 8000


@pytest.mark.parametrize("letter", ["x", "?", "é"])
def test_long_text_is_cut_with_the_number_of_missing_characters(client: FlaskClient, letter: str) -> None:
    client.put(f"/bypass/add?backend_name={quote(letter * LONG)}")
    (kept,) = last_audit(client)["arguments"].values()
    assert (
        kept
        == f"{letter * (MAX_TEXT - len('backend_name'))}… ({LONG - MAX_TEXT + len('backend_name')} more characters)"
    )
    client.put(f"/bypass/add?{quote(letter * LONG)}=5")
    assert last_audit(client)["arguments"] == {f"{letter * MAX_TEXT}… ({LONG - MAX_TEXT} more characters)": "***"}
    client.delete(f"/backends/{quote(letter * LONG)}")
    assert (
        last_audit(client)["path"] == f"/backends/{letter * (MAX_TEXT - 10)}… ({LONG + 10 - MAX_TEXT} more characters)"
    )
    assert MAX_TEXT == 2048


def test_text_of_the_maximum_length_is_not_cut(client: FlaskClient) -> None:
    value = "x" * (MAX_TEXT - len("backend_name"))
    client.put(f"/bypass/add?backend_name={value}")
    assert last_audit(client)["arguments"] == {"backend_name": value}


def test_name_of_the_maximum_length_leaves_no_room_for_its_value(client: FlaskClient) -> None:
    name = "x" * MAX_TEXT
    client.put(f"/bypass/add?{name}=12345")
    assert last_audit(client)["arguments"] == {name: "… (5 more characters)"}


SECRET = "S3cret-and-more"


@pytest.mark.parametrize(
    "text", [f"redis://user:{SECRET}@host:6379/0", f"x=1&password={SECRET}", f"--api-key {SECRET}", f"Bearer {SECRET}"]
)
def test_part_of_a_secret_at_the_cut_is_left_out(client: FlaskClient, text: str) -> None:
    for start in range(MAX_TEXT - len(text) - 2, MAX_TEXT):
        client.put(f"/bypass/add?x={quote('y' * (start - 2) + ' ' + text + 'z' * 100)}")
        assert SECRET[:4] not in last_audit(client)["arguments"]["x"]


def test_secrets_in_a_path_and_in_the_name_of_an_argument_are_masked(client: FlaskClient, app: InternalApp) -> None:
    url = quote(f"redis://u:{SECRET}@h", safe="")
    client.delete(f"/backends/{url}")
    client.delete(f"/backends/x?{url}=1")
    client.delete(f"/backends/x?password={SECRET}")
    assert len(audit_of(app)) == 2  # The first path has slashes in its variable, so no route matches.
    assert SECRET not in str(audit_of(app))


def test_many_arguments_are_cut_after_those_of_the_endpoint(client: FlaskClient) -> None:
    others = "&".join(f"x{number}=1" for number in range(1000))
    names = "&".join(f"backend_name={number}" for number in range(1000))
    client.put(f"/bypass/add?{others}&{names}&backend_name=LocalCPUBackend&{others}")
    arguments = last_audit(client)["arguments"]
    assert arguments["backend_name"][0] == "… (997 more)"
    assert arguments["backend_name"][-1] == "LocalCPUBackend"
    assert arguments["…"] == "993 more arguments"
    assert len(arguments) == MAX_ARGUMENTS + 1
    assert max(len(values) for values in arguments.values() if isinstance(values, list)) == MAX_VALUES + 1


def test_long_change_is_cut(client: FlaskClient) -> None:
    assert client.post("/conf", json={"extra_config": {"x": "y" * 500_000}}).status_code == 200
    entry = last_audit(client)
    assert entry["changes"].startswith('{"extra_config":{"old":null,"new":{"x":"yyyy')
    kept, _, missing = entry["changes"].rpartition("… (")
    assert len(kept) == MAX_DETAILS
    whole = len('{"extra_config":{"old":null,"new":{"x":""}}}') + 500_000
    assert missing == f"{whole - MAX_DETAILS} more characters)"


def test_long_method_is_cut() -> None:
    with app_with(allowed_hosts="engine.example") as guarded:
        guarded.test_client().open("/conf", method="X" * 5000, headers={"Host": "evil.example"})
        assert [entry["method"] for entry in audit_of(guarded)] == ["X" * 100 + "…"]


@pytest.mark.parametrize(
    "path", ["/loglevel?level=a%0A%7B%22caller%22%3A1%7D", "/loglevel?level=%ff", "/loglevel?%00=&level=x"]
)
def test_client_cannot_forge_an_audit_line(client: FlaskClient, caplog: pytest.LogCaptureFixture, path: str) -> None:
    caplog.set_level(logging.INFO, logger=LOGGER)
    client.get(path)
    (line,) = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert "\n" not in line
    assert json.loads(line)["caller"] == "local"


def test_get_audit_returns_the_last_200_entries_to_admins(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, boss="admin", op="operator")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        for number in range(KEPT + 5):
            client.get(f"/env?n={number}")
        entries = client.get("/audit", headers=bearer(tokens["boss"])).get_json()
        assert [entry["arguments"] for entry in entries] == [{"n": str(number)} for number in range(5, KEPT + 5)]
        assert client.get("/audit", headers=bearer(tokens["op"])).status_code == 403
        assert KEPT == 200


def test_audit_files_have_the_same_lines_and_close_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with serving(tmp_path, extra={"audit_file": str(path)}) as server:
        for _ in range(2):
            ask(server, "PUT /freeze/disable")
            ask(server, "GET /env", "Via: 1.1 x")
            server.stop()
            assert str(path) not in open_files()
            server.start()
        entries = audit_of(server.app)
    assert len(entries) == 4
    refusals = path.with_name("audit.jsonl.refused")
    for file, outcome in ((path, "done"), (refusals, "refused")):
        written = [json.loads(line) for line in file.read_text().splitlines()]
        assert written == [entry for entry in entries if entry["outcome"] == outcome]
        assert len(written) == 2
        assert file.stat().st_mode & 0o777 == 0o600


def open_files() -> set[str]:
    return {str(link.resolve()) for link in Path("/proc/self/fd").iterdir()}


def test_request_succeeds_if_the_audit_file_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with app_with(audit_file=str(tmp_path / "no" / "such" / "directory")) as app:
        assert app.test_client().put("/freeze/disable").status_code == 200
        assert len(audit_of(app)) == 1
    assert "No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["/loglevel?logger_name={}&level=CRITICAL", "/loglevel?logger_name={}&level=OFF"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_loglevel_of_the_audit_log_cannot_be_changed(
    client: FlaskClient, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.open(path.format(LOGGER), method=method).status_code in (400, 403)
    assert logging.getLogger(LOGGER).level == logging.INFO
    assert logging.getLogger(LOGGER).isEnabledFor(logging.INFO)
    assert LOGGER in {record.name for record in caplog.records}


def test_level_of_a_parent_logger_does_not_silence_the_audit_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        client.put("/loglevel?logger_name=lmcache_internal&level=CRITICAL")
        caplog.clear()
        client.put("/freeze/disable")
        assert [record.name for record in caplog.records if record.name == LOGGER] == [LOGGER]
    finally:
        client.put("/loglevel?logger_name=lmcache_internal&level=NOTSET")


@pytest.fixture
def written() -> Iterator[list[str]]:
    """The lines of a handler of the root logger with level INFO, such as logging.basicConfig creates."""
    lines: list[str] = []
    handler = logging.Handler(logging.INFO)
    handler.name = "written"
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("name", ["root", "lmcache_internal"])
@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_level_set_over_http_does_not_silence_the_audit_handlers(
    client: FlaskClient, written: list[str], name: str, method: str
) -> None:
    own = logging.getLogger("lmcache_internal")
    changed: list[Any] = [logging.getLogger(), own, *logging.getLogger().handlers]
    before = [(found, found.level) for found in changed]
    own.addHandler(extra := logging.NullHandler(logging.INFO))
    path = f"/loglevel?logger_name={name}&level=CRITICAL"
    try:
        for _ in range(2):
            assert client.open(path, method=method).status_code == 200
        written.clear()
        client.put("/freeze/disable")
        assert ["/freeze/disable" in text for text in written] == [True]
        logging.getLogger("lmcache_internal.settings").warning("another line")
        assert len(written) == 1  # The changed level applies to all other loggers.
    finally:
        own.removeHandler(extra)
        for found, level in before:
            found.setLevel(level)


def test_disabling_loggers_does_not_silence_the_audit_log(client: FlaskClient, written: list[str]) -> None:
    logger = logging.getLogger(LOGGER)
    try:
        logging.disable(logging.CRITICAL)
        logger.disabled = True
        client.put("/freeze/disable")
    finally:
        logging.disable(logging.NOTSET)
        logger.disabled = False
    assert len(written) == 1


def test_handler_configured_for_errors_gets_no_audit_lines(client: FlaskClient, written: list[str]) -> None:
    (handler,) = [found for found in logging.getLogger().handlers if found.name == "written"]
    handler.setLevel(logging.ERROR)
    client.put("/freeze/disable")
    assert written == []


@pytest.mark.parametrize(("level", "lines"), [("NOTSET", 1), ("DEBUG", 1), ("INFO", 1), ("WARNING", 0)])
def test_level_of_the_audit_logger_counts(
    client: FlaskClient, written: list[str], monkeypatch: pytest.MonkeyPatch, level: str, lines: int
) -> None:
    monkeypatch.setattr(logging.getLogger(LOGGER), "level", getattr(logging, level))
    client.put("/freeze/disable")
    assert len(written) == lines


def test_refusals_do_not_displace_changes(client: FlaskClient, app: InternalApp) -> None:
    client.put("/freeze/disable")
    for _ in range(KEPT + 5):
        client.get("/env", environ_base={"REMOTE_ADDR": "10.0.0.1"})
    entries = audit_of(app)
    assert [entry["outcome"] for entry in entries] == ["done"] + ["refused"] * KEPT
    client.put("/freeze/disable")
    assert audit_of(app)[-1]["outcome"] == "done"


BIDI = "\x7f\x80\x85\x9b\u061c\u200e\u2028\u2029\u202a\u202e\u2066\u2069\x1b"


def test_control_and_bidi_characters_are_escaped(tmp_path: Path, written: list[str]) -> None:
    path = tmp_path / "audit.jsonl"
    with app_with(audit_file=str(path)) as app:
        app.test_client().put(f"/bypass/add?backend_name=x{quote(BIDI)}")
        app.state.gate.audit.close()
    (line,) = [text for text in written if '"path"' in text]
    for text in (line, path.read_text().removesuffix("\n")):
        assert not set(BIDI) & set(text)
        assert json.loads(text)["arguments"]["backend_name"] == f"x{BIDI}"


def test_each_app_has_its_own_audit_log(app: InternalApp) -> None:
    with make_manager() as manager:
        other = create_app(manager)
        other.test_client().put("/freeze/disable")
        assert (len(audit_of(other)), len(audit_of(app))) == (1, 0)


def test_proxied_request_is_audited_with_the_address_of_the_proxy(server: InternalAPIServer) -> None:
    ask(server, "GET /env", "X-Forwarded-For: 1.2.3.4")
    assert audit_of(server.app)[-1]["address"] in ("127.0.0.1", f"uid {os.geteuid()}")


def test_a_file_that_cannot_be_renamed_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot_rename(*_: object) -> None:
        raise OSError("Device or resource busy")

    path = tmp_path / "audit.log"
    with app_with(audit_file=str(path)) as app:
        monkeypatch.setattr("logging.handlers.RotatingFileHandler.shouldRollover", lambda *_: True)
        monkeypatch.setattr("logging.handlers.RotatingFileHandler.rotate", cannot_rename)
        client = app.test_client()
        for _ in range(3):
            client.put("/bypass/add?backend_name=LocalCPUBackend")
        app.state.gate.audit.close()
    assert len(path.read_text().splitlines()) == 3


def test_audit_file_is_private_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    mask = os.umask(0)
    try:
        with make_manager(extra_config={"internal_api_server_audit_file": str(path)}) as manager:
            app = create_app(manager)
            assert app.test_client().put("/freeze/disable").status_code == 200
            app.state.gate.audit.close()
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["time", "caller", "address", "seconds", "status"])
def test_fact_cannot_replace_a_field_of_the_line(name: str) -> None:
    with app_with() as app, app.test_request_context(), pytest.raises(ValueError, match=f"the field {name}"):
        note(**{name: "mine"})
