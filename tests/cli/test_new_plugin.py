"""`new-plugin`: what it writes passes its test as it is, and nothing is harmed when it cannot write."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from lmcache_internal.cli import main
from lmcache_internal.testing.serving import client_of, serving
from tests.support import make_manager, run_pytest


def new_plugin(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["new-plugin", *arguments])


def names(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a new plugin is."""
    directory = tmp_path / "my plugins"
    result = new_plugin("cache_age", "--directory", str(directory))
    assert (result.exit_code, names(directory)) == (0, ["cache_age_api.py", "test_cache_age_api.py"])
    return directory


def test_the_tests_pass_as_they_are(directory: Path) -> None:
    assert new_plugin("second", "--directory", str(directory)).exit_code == 0
    run = run_pytest(directory.parent, "--strict-markers", "-W", "error")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "6 passed" in run.stdout


def test_ruff_finds_nothing(directory: Path) -> None:
    pytest.importorskip("ruff")
    for check in (["check", "--select=E,F,I,B,UP"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *check, "--isolated"], cwd=directory, check=True)


BROKEN = {
    "answer": ('"Hello', '"Goodbye', "Goodbye, test-model!"),
    "call": ("engine()", "engin()", "GET /call: name 'engin' is not defined"),
    "syntax": ("return {", "return {{", "it fails to import: SyntaxError"),
    "router": ("router = ", "routes = ", "it fails to import: NameError: name 'router' is not defined"),
    "clash": ('"/clash"', '"/conf"', "its route GET /conf clashes with that of"),
}


def test_a_broken_edit_fails_them(tmp_path: Path) -> None:
    for name, (good, broken, _) in BROKEN.items():
        assert new_plugin(name, "--directory", str(tmp_path / name)).exit_code == 0
        file = tmp_path / name / f"{name}_api.py"
        file.write_text(file.read_text().replace(good, broken))
    run = run_pytest(tmp_path, "-rfE", "-vv")
    assert run.returncode == 1, run.stdout + run.stderr
    for name, (_, _, reason) in BROKEN.items():
        assert re.search(rf"^(FAILED|ERROR) {name}/test_{name}_api.py::test_the_answer", run.stdout, re.MULTILINE), name
        assert reason in run.stdout, run.stdout


def test_what_it_prints_leads_to_a_server_that_serves_it(directory: Path) -> None:
    printed = new_plugin("other", "--directory", str(directory)).output
    (lines,) = re.findall(r"^  extra_config:\n    .*\n", printed, re.MULTILINE)
    with make_manager(**yaml.safe_load(lines)) as manager, serving(manager, "tcp") as server:
        (path,) = re.findall(r"curl http://localhost:7000(\S+)", printed)
        assert client_of(server).get(path).get_json()["greetings"] == ["Hello, test-model!"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        *[
            (name, "is not a lower-case Python identifier")
            for name in ("", "1a", "a-b", "Cache", "grüße", "../a", "a\n")
        ],
        *[(name, "must not contain test_ or _api") for name in ("test_cache", "cache_api")],
        ("conf", "is taken: GET /conf exists already"),
        ("metrics", "is taken: GET /metrics exists already"),
    ],
)
def test_names_that_will_not_do(tmp_path: Path, name: str, reason: str) -> None:
    result = new_plugin(name, "--directory", str(tmp_path))
    assert result.exit_code == 2
    assert f"Invalid value for NAME: {name!r} {reason}" in result.output
    assert names(tmp_path) == []


@pytest.mark.parametrize("there", ["cache_age_api.py", "test_cache_age_api.py"])
def test_what_is_there_stays_and_nothing_is_added(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    result = new_plugin("cache_age", "--directory", str(tmp_path))
    assert result.exit_code == 1
    assert f"Error: {tmp_path / there} exists already; nothing was written." in result.output
    assert names(tmp_path) == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = new_plugin("cache_age", "--directory", str(tmp_path / "file" / "plugins"))
    assert result.exit_code == 1
    assert f"Error: {tmp_path / 'file' / 'plugins'}: Not a directory; nothing was written." in result.output
