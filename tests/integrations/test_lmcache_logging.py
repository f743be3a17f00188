"""Log lines of this package appear with those of LMCache, unless the loggers of this package are configured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integrations.lmcache_layout import HOMES, lay_out, run

PROGRAM = """
import logging, sys
{before}
from lmcache_internal.integrations.lmcache import vllm_plugin
vllm_plugin()
from types import SimpleNamespace
import {factory} as factory
config = SimpleNamespace(internal_api_server_enabled=True, internal_api_server_port_start=7777, extra_config=None)
server = factory.make(SimpleNamespace(config=config, lmcache_engine=None))
client = server.app.test_client()
logging.getLogger("lmcache_internal.server").info("a line of this package")
{after}
client.put("/freeze/enable")
"""
USES_HANDLER = "it uses the handler and the level of LMCache"
AUDIT = re.compile(r'.*"path":\s*"/freeze/enable".*')


def log(directory: Path, before: str = "", after: str = "", **environ: str) -> list[str]:
    factory = lay_out(directory, HOMES[0])
    program = PROGRAM.format(before=before, after=after, factory=factory)
    return run(program, directory, LMCACHE_INTERNAL_API_SERVER="lmcache_internal", **environ).splitlines()


def audited(lines: list[str]) -> list[str]:
    return [line for line in lines if AUDIT.match(line)]


def test_lines_appear_once_in_the_format_of_lmcache(tmp_path: Path) -> None:
    lines = log(tmp_path)
    assert lines.count("LMCache INFO: a line of this package") == 1
    (audit,) = audited(lines)
    assert audit.startswith("LMCache INFO: ")
    assert sum(USES_HANDLER in line for line in lines) == 1


@pytest.mark.parametrize(("level", "seen"), [("DEBUG", 1), ("WARNING", 0)])
def test_log_level_of_lmcache_is_used(tmp_path: Path, level: str, seen: int) -> None:
    lines = log(tmp_path, LMCACHE_LOG_LEVEL=level)
    assert sum(line.endswith("a line of this package") for line in lines) == len(audited(lines)) == seen


@pytest.mark.parametrize("name", ["", "lmcache_internal"])
def test_configured_loggers_are_not_changed(tmp_path: Path, name: str) -> None:
    before = f"""
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(logging.Formatter("MINE %(message)s"))
logging.getLogger({name!r}).addHandler(handler)
logging.getLogger({name!r}).setLevel("INFO")
"""
    lines = log(tmp_path, before)
    assert lines.count("MINE a line of this package") == 1
    assert len(audited(lines)) == 1
    assert not [line for line in lines if USES_HANDLER in line or line.startswith("LMCache ")]


def test_configured_audit_logger_keeps_its_handler(tmp_path: Path) -> None:
    before = """
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(logging.Formatter("MINE %(message)s"))
logging.getLogger("lmcache_internal.audit").addHandler(handler)
logging.getLogger("lmcache_internal.audit").propagate = False
"""
    lines = log(tmp_path, before)
    assert lines.count("LMCache INFO: a line of this package") == 1
    (audit,) = audited(lines)
    assert audit.startswith("MINE ")


def test_loglevel_does_not_silence_the_audit_log(tmp_path: Path) -> None:
    silence = """
answer = client.get("/loglevel?logger_name=lmcache_internal&level=CRITICAL")
assert answer.status_code == 200
logging.getLogger("lmcache_internal").error("another line of this package")
"""
    lines = log(tmp_path, after=silence)
    assert not [line for line in lines if line.endswith("another line of this package")]
    assert len(audited(lines)) == 1


def test_lmcache_without_init_logger_is_logged(tmp_path: Path) -> None:
    lay_out(tmp_path, HOMES[0])
    (tmp_path / "lmcache" / "logging.py").write_text("")
    program = PROGRAM.format(before="", after="", factory="lmcache.integration.factory")
    output = run(program, tmp_path, LMCACHE_INTERNAL_API_SERVER="lmcache_internal")
    assert "cannot use the log handler of LMCache" in output
