"""The files below deploy/ name options that LMCache has."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.test_systemd import MP_UNIT, directives
from tests.support import lmcache_release

if lmcache_release() < (0, 5, 6):
    pytest.skip("the MP unit is for LMCache 0.5.6 and later", allow_module_level=True)
pytest.importorskip("opentelemetry.exporter.prometheus", reason="LMCache's MP server needs it")


def test_the_mp_unit_has_options_of_lmcache() -> None:
    command, *options = [
        part for part in shlex.split(dict(directives(MP_UNIT))["ExecStart"])[1:] if part.startswith("--")
    ]
    assert command == "--internal-config"
    done = subprocess.run(
        [Path(sys.executable), "-m", "lmcache_internal.integrations.lmcache_mp", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [option for option in options if f"{option} " not in done.stdout] == []
    assert len(options) == 4
