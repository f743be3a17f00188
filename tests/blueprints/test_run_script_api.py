"""POST /run_script."""

from __future__ import annotations

import threading
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.limits.timeouts import Call
from tests.support import ROOT, eventually, make_manager

JSON = {"Accept": "application/json"}


def run(client: FlaskClient, source: str | bytes, **options: Any) -> TestResponse:
    data = source.encode() if isinstance(source, str) else source
    return client.post("/run_script", data={"script": (BytesIO(data), "script.py")}, **options)


@pytest.fixture
def impatient() -> Any:
    with make_manager(extra_config={"internal_api_server_script_timeout": 0.3}) as manager:
        yield create_app(manager).test_client()


def test_documented_script_only_reads(client: FlaskClient, manager: EmbeddedManager) -> None:
    response = run(client, (ROOT / "examples" / "scratch.py").read_bytes())
    assert response.status_code == 200
    assert response.content_type == "text/plain; charset=utf-8"
    shape = "(2, 2, 16, 2, 4)"
    assert response.text == f"{{'is_first_rank': True, 'model_version': {shape}, 'LocalCPUBackend.use_hot': True}}"
    assert "Accept: application/json" in response.headers["Script-Output"]
    assert manager.require_engine().is_hot_cache_enabled()


def test_a_script_may_change_the_engine(client: FlaskClient, manager: EmbeddedManager) -> None:
    backends = "app.state.lmcache_adapter.lmcache_engine.storage_manager.storage_backends"
    assert run(client, f'{backends}["LocalCPUBackend"].use_hot = False').status_code == 200
    assert not manager.require_engine().is_hot_cache_enabled()


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("x = 1", "Script executed successfully"),
        ("result = None", "None"),
        ("def f(): return g()\ndef g(): return len([n for n in (1, 2)])\nresult = f()", "2"),
        ("class A:\n  x = 1\nresult = A().x", "1"),
        ("# -*- coding: utf-8 -*-\nresult = 'Grüße'", "Grüße"),
        ("from __future__ import annotations\ndef f(x: Nope): pass\nresult = f.__annotations__['x']", "Nope"),
        ("if __name__ == '__main__': result = 1", "1"),
        ("result = app.state.lmcache_adapter.lmcache_engine.metadata.worker_id", "0"),
        ("result = '\\udcff'", "\\udcff"),
    ],
)
def test_result_variable_is_returned(client: FlaskClient, source: str, answer: str) -> None:
    assert run(client, source).text == answer


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1/0", "division by zero"),
        ("raise ValueError()", "ValueError"),
        ("import os", "Import of 'os' is not allowed"),
        ("from os import path", "Import of 'os' is not allowed"),
        ("raise SystemExit(3)", "3"),
        ("def f(): f()\nf()", "maximum recursion depth exceeded"),
        ("class Bad:\n  def __str__(self): raise ValueError('no text')\nresult = Bad()", "no text"),
        ("x =", "invalid syntax"),
    ],
)
def test_script_that_raises_gets_500_with_message(client: FlaskClient, source: str, message: str) -> None:
    response = run(client, source)
    assert (response.status_code, response.content_type) == (500, "text/plain; charset=utf-8")
    assert response.text.startswith(f"Error executing script: {message}")


def test_json_is_sent_on_request(client: FlaskClient) -> None:
    body = run(client, "print('hello')\nresult = {'a': (1, 2), 3: 4}", headers=JSON).get_json()
    assert body.pop("seconds") < 1
    assert body == {"result": {"a": [1, 2], "3": 4}, "stdout": "hello\n", "error": None, "traceback": None}


def test_json_of_failure_has_script_frames(client: FlaskClient) -> None:
    response = run(client, "print('before')\ndef f():\n    return 1/0\nf()", headers=JSON)
    body = response.get_json()
    assert (response.status_code, body["result"], body["stdout"]) == (500, None, "before\n")
    assert body["error"] == "ZeroDivisionError: division by zero"
    assert body["traceback"].startswith('  File "<script ')
    assert "return 1/0" in body["traceback"]
    assert "scripts.py" not in body["traceback"]


def test_allowed_modules_include_submodules() -> None:
    with make_manager(script_allowed_imports="json,os.path") as manager:
        client = create_app(manager).test_client()
        assert run(client, "import json.decoder, os.path\nresult = json.dumps([1])").text == "[1]"
        assert run(client, "import os").status_code == 500
        assert run(client, "import jsonx").status_code == 500


def test_imports_by_called_code_are_not_restricted(client: FlaskClient) -> None:
    # Imports are restricted only in the script's namespace, not in the code that it calls.
    assert run(client, "result = app.url_map.bind('x').match('/conf')[0]").status_code == 200


def test_endless_script_is_stopped(impatient: FlaskClient) -> None:
    response = run(impatient, "def spin():\n    while True: pass\nprint('x')\nspin()")
    assert (response.status_code, response.content_type) == (504, "text/plain; charset=utf-8")
    assert "was still running after 0.3 s and was stopped" in response.text
    assert ", in spin\n" in response.text
    assert eventually(lambda: not any(t.name.startswith("call: <script") for t in threading.enumerate()))
    assert impatient.get("/lmc_version").status_code == 200


def test_script_that_catches_stop_is_stopped(impatient: FlaskClient) -> None:
    source = "n = 0\nwhile n < 3:\n  try:\n    while True: pass\n  except BaseException: n += 1\nwhile True: pass"
    assert run(impatient, source).status_code == 504
    assert eventually(lambda: not any(t.name.startswith("call: <script") for t in threading.enumerate()))


def test_script_stuck_in_c_code_is_abandoned(impatient: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Call.stop, "__defaults__", (0.1,))  # How long it tries to stop the script, in seconds.
    release = threading.Event()
    impatient.application.state.release = release  # type: ignore[attr-defined]
    response = run(impatient, "app.state.release.wait(30)", headers=JSON)
    assert response.status_code == 504
    assert "could not be stopped" in response.get_json()["error"]
    assert "release.wait(30)" in response.get_json()["traceback"]
    release.set()
    assert eventually(lambda: not any(t.name.startswith("call: <script") for t in threading.enumerate()))


def test_endless_output_is_truncated(impatient: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    body = run(impatient, "while True: print('x' * 10000)", headers=JSON).get_json()
    assert len(body["stdout"]) <= 1 << 20
    capsys.readouterr()


@pytest.mark.parametrize("data", [{}, {"script": "x = 1"}, {"other": (BytesIO(b"x = 1"), "s.py")}])
def test_missing_file_gets_400(client: FlaskClient, data: dict[str, Any]) -> None:
    response = client.post("/run_script", data=data, content_type="multipart/form-data")
    assert (response.status_code, response.text) == (400, "No script file provided")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"\xff\xfe\x00x", "cannot be decoded"),
        (b"x = 1\0", "NUL"),
        ("# coding: utf-16\nx = 1".encode("utf-16"), "cannot be decoded"),
        (b"# coding: bogus\nx = 1", "unknown encoding: bogus"),
        (b"# coding: hex\nx = 1", "cannot be decoded"),
        (b"# coding: rot13\nx = 1", "cannot be decoded"),
        (b"# coding: PunyCode\nx = 1-" + b"a" * 100_000, "only for domain names"),
        (b"# coding: idna\nx = 1", "only for domain names"),
        ("# coding: ascii\nx = 'é'".encode(), "cannot be decoded"),
        (b"\xef\xbb\xbf# coding: latin-1\nx = 1", "cannot be decoded"),
    ],
)
def test_undecodable_file_gets_400(client: FlaskClient, source: bytes, reason: str) -> None:
    response = run(client, source)
    assert response.status_code == 400
    assert reason in response.get_json()["message"]


def test_last_script_part_wins(client: FlaskClient) -> None:
    parts = [(BytesIO(b"result = 1"), "a.py"), (BytesIO(b"result = 2"), "b.py")]
    assert client.post("/run_script", data={"script": parts}).text == "2"


def test_remote_token_is_rejected_without_config(manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMCACHE_INTERNAL_API_SERVER_TOKEN", "t0ken")
    client = create_app(manager).test_client()
    headers = {"Authorization": "Bearer t0ken"}
    assert run(client, "result = 1", headers=headers).text == "1"
    assert run(client, "result = 1", headers=headers, environ_base={"REMOTE_ADDR": "10.0.0.1"}).status_code == 404


def test_scripts_can_be_disabled_by_config() -> None:
    with make_manager(run_script_api_enabled=False) as manager:
        response = run(create_app(manager).test_client(), "result = 1")
    assert (response.status_code, response.content_type) == (404, "text/plain; charset=utf-8")
    assert "run_script_api_enabled: true" in response.text


@pytest.mark.parametrize("said", ["yes", 1, object()])
def test_local_callers_are_allowed_without_config(monkeypatch: pytest.MonkeyPatch, said: object) -> None:
    monkeypatch.setenv("LMCACHE_INTERNAL_API_SERVER_TOKEN", "t0ken")
    client = create_app(SimpleNamespace(config=SimpleNamespace(run_script_api_enabled=said))).test_client()
    headers = {"Authorization": "Bearer t0ken"}
    assert run(client, "result = 1", headers=headers).text == "1"
    assert run(client, "result = 1", headers=headers, environ_base={"REMOTE_ADDR": "10.0.0.1"}).status_code == 404


def test_remote_token_is_accepted_if_enabled_by_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMCACHE_INTERNAL_API_SERVER_TOKEN", "t0ken")
    with make_manager(run_script_api_enabled=True) as manager:
        client = create_app(manager).test_client()
        headers = {"Authorization": "Bearer t0ken"}
        afar = {"REMOTE_ADDR": "10.0.0.1"}
        assert run(client, "result = 1", headers=headers, environ_base=afar).text == "1"
        assert run(client, "result = 1", environ_base=afar).status_code == 401


@pytest.mark.parametrize(
    "head", ["# -*- coding: {} -*-\n", "#!/usr/bin/python\n# vim: set fileencoding={} :\n", "# coding={}\r\n"]
)
@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("gbk", "你好"),
        ("cp1252", "Grüße €"),
        ("shift_jis", "日本"),
        ("latin-1", "Grüße"),
        ("koi8-r", "Привет"),
        ("utf-8", "Grüße 日本"),
    ],
)
def test_declared_encodings_count(client: FlaskClient, head: str, encoding: str, text: str) -> None:
    source = head.format(encoding) + f"def f():\n    raise ValueError('{text}')\nresult = '{text}'"
    assert run(client, source.encode(encoding)).text == text
    body = run(client, f"{source}\nf()".encode(encoding), headers=JSON).get_json()
    assert f"raise ValueError('{text}')" in body["traceback"]


def test_an_import_that_is_not_allowed_names_the_setting(client: FlaskClient) -> None:
    assert "Import of 'os' is not allowed; list it in script_allowed_imports" in run(client, "import os").text


def test_who_gets_the_result_alone_is_told_where_the_output_is(
    client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "The printed text is in the output of the engine, and in the response with Accept: application/json."
    response = run(client, "print('hello')")
    assert response.text == f"Script executed successfully\n{told}"
    assert capsys.readouterr().out == "hello\n"
    response = run(client, "print('hello')\nresult = 7")
    assert (response.text, response.headers["Script-Output"]) == ("7", told)
    assert run(client, "print('hello')", headers=JSON).get_json()["result"] == "Script executed successfully"
    for quiet in (run(client, "result = 7"), run(client, "print('hello')", headers=JSON)):
        assert "Script-Output" not in quiet.headers
