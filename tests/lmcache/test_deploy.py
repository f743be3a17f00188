"""The arguments in deploy/kubernetes/mp are options of the real LMCache."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.deploy.manifests import read
from tests.support import lmcache_release

if lmcache_release() < (0, 5, 6):
    pytest.skip("the manifests are for LMCache 0.5.6 and later", allow_module_level=True)
pytest.importorskip("opentelemetry.exporter.prometheus", reason="LMCache's MP server needs it")


def test_the_arguments_of_the_daemon_set_are_options_of_the_mp_server() -> None:
    command = [sys.executable, "-m", "lmcache.v1.multiprocess.http_server", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"(?<![\w-])--[a-z0-9-]+", text)) | {"--internal-config"}  # The last one is ours.
    (container,) = read("mp/daemonset.yaml")["spec"]["template"]["spec"]["containers"]
    given = {argument.partition("=")[0] for argument in container["args"]}
    assert len(given) >= 7
    assert given <= known
