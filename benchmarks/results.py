"""The result of one question: written as JSON, committed, and compared with the last commit."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from benchmarks.rows import Row
from tests.support import ROOT

RESULTS = Path(__file__).parent / "results"

_PACKAGES = ("lmcache", "torch", "fastapi", "uvicorn", "uvloop", "flask", "werkzeug", "waitress", "prometheus-client")


@dataclass(frozen=True)
class Result:
    """The result of one question.

    Attributes:
        question: the name of its module.
        title: the question in words.
        date: the time of the measurement, ISO 8601, UTC.
        commit: the commit of the server; "+" if the checkout had other changes.
        machine: the machine.
        versions: the versions of the measured packages.
        rows: the figures.
    """

    question: str
    title: str
    date: str
    commit: str
    machine: dict[str, str]
    versions: dict[str, str]
    rows: list[Row]

    @classmethod
    def now(cls, question: str, title: str, machine: dict[str, str], rows: list[Row]) -> Result:
        """Return a result with the current time."""
        date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        versions = {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
        return cls(question, title, date, _commit(), machine, versions, rows)

    @classmethod
    def parse(cls, text: str) -> Result:
        """Read a result that `write` wrote."""
        fields = json.loads(text)
        return cls(**fields | {"rows": [Row(**row) for row in fields["rows"]]})

    def write(self, directory: Path) -> None:
        """Write it to `<question>.json`."""
        directory.mkdir(exist_ok=True)
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (directory / f"{self.question}.json").write_text(text + "\n", encoding="utf-8")

    def row(self, name: str) -> Row | None:
        """Return the row of that name."""
        return next((row for row in self.rows if row.name == name), None)


def committed(question: str) -> Result | None:
    """Return the last committed result; None if there is none, or no git."""
    shown = _git("show", f"HEAD:benchmarks/results/{question}.json")
    return Result.parse(shown) if shown else None


def written(questions: Iterable[str]) -> list[Result]:
    """Return the results in the checkout."""
    paths = [RESULTS / f"{question}.json" for question in questions]
    return [Result.parse(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def _commit() -> str:
    commit = _git("rev-parse", "--short", "HEAD").strip() or "unknown"
    return commit + ("+" if _git("status", "--porcelain", "--", "lmcache_internal", "blueprints") else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""
