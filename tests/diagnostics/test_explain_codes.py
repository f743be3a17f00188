"""Each reason of a miss has a section in the runbook."""

from __future__ import annotations

import re
from pathlib import Path

from lmcache_internal.diagnostics import explain
from lmcache_internal.diagnostics.doctor.catalogue import troubles
from tests.support import ROOT


def test_each_code_is_in_the_catalogue_and_the_runbook() -> None:
    sources = "".join(file.read_text() for file in Path(explain.__path__[0]).glob("*.py"))
    codes = set(re.findall(r'reason\(\s*"([a-z-]+)"', sources)) | set(re.findall(r': "([a-z]+-?[a-z]+)"[,}]', sources))
    assert len(codes) > 15
    assert codes <= troubles().keys()
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    for code in codes:
        assert f"\n### {code}\n" in runbook
