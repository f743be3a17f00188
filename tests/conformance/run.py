"""Send all requests to a server in order; compare two responses."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.facts import Closeness, Fact
from tests.support import ROOT

# Disk and remote writes continue after a store, and a clear skips chunks that are being written.
SETTLING_SECONDS = 1.0


@dataclass(frozen=True)
class Answer:
    """A response.

    Attributes:
        media: the media type without parameters.
        content: the decoded JSON, also if it is sent as plain text; otherwise the text.
    """

    status: int
    media: str
    content: Any


def ask_all(kind: str, facts: list[Fact], directory: Path) -> list[Answer]:
    """Return the responses of a new server of `kind`, see serve.py."""
    directory.mkdir(exist_ok=True)
    disk = directory / "disk"
    source = f"local_disk: {disk}" if kind == "embedded" else f'remote_url: "fs://host:0{directory}/fs/"'
    (directory / "fs.yaml").write_text(f"chunk_size: 256\n{source}\n")
    (directory / "empty.yaml").write_text(f'remote_url: "fs://host:0{directory}/empty/"\n')
    (directory / "damaged.yaml").write_text(f'remote_url: "fs://host:0{directory}/damaged/"\n')
    (directory / "damaged").mkdir()
    (directory / "damaged" / "half-SEP-m@1@0@abc@half.data").write_bytes(b"no chunk")
    (directory / "broken.yaml").write_text("a: [1\n")
    (directory / "nothing.yaml").write_text("chunk_size: 256\n")
    with serving(kind, directory) as ports:
        return [ask(ports[fact.target], fact, directory) for fact in facts]


@contextlib.contextmanager
def serving(kind: str, directory: Path, **values: Any) -> Iterator[dict[str, int]]:
    """Run a process that serves a scheduler and a worker; yield their ports."""
    command = [
        sys.executable,
        str(ROOT / "tests" / "conformance" / "serve.py"),
        kind,
        str(directory),
        json.dumps(values),
    ]
    # LMCache sets this variable in a process that has loaded it, such as that of other tests.
    environ = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    environ |= {"PYTHONPATH": str(ROOT), "LMCACHE_TRACK_USAGE": "false", "PYTHONHASHSEED": "0"}
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environ
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield _ports(process.stdout, directory / "log")
        finally:
            process.stdin.close()
            process.wait(60)
            process.stdout.close()


def differs(one: Answer, other: Answer, closeness: Closeness) -> str | None:
    """Return how two responses differ; None if they are as equal as required."""
    if (one.status, one.media) != (other.status, other.media):
        return f"{one.status} {one.media} != {other.status} {other.media}"
    if closeness == "status":
        return None
    view = _shape if closeness == "shape" else _without_sentences
    if one.status >= 400 and one.media == "text/plain" and closeness == "shape":
        return None
    left, right = view(one), view(other)
    return None if left == right else f"{left!r} != {right!r}"


def _ports(output: Any, log: Path) -> dict[str, int]:
    for line in output:
        if line.startswith("{"):
            ports: dict[str, int] = json.loads(line)
            return ports
    raise AssertionError(f"the server did not start:\n{log.read_text()[-3000:]}")


def ask(port: int, fact: Fact, directory: Path) -> Answer:
    """The answer of the server on that port of loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=180)
    body = fact.body.replace(b"{directory}", str(directory).encode()) if fact.body else fact.body
    try:
        connection.request(fact.method, fact.path, body, fact.headers)
        response = connection.getresponse()
        text = response.read().decode().replace(str(directory), "{directory}")
    finally:
        connection.close()
    if fact.path.startswith("/cache/store"):
        time.sleep(SETTLING_SECONDS)
    try:
        content = json.loads(text)
    except ValueError:
        content = text
    if fact.path.startswith("/cache/store") and isinstance(content, dict):
        for added in ("stored", "reason"):  # Ours alone; see UNCOMPARED in `differences.py`.
            content.pop(added, None)
    return Answer(response.status, response.headers.get_content_type(), content)


def _without_sentences(answer: Answer) -> Any:
    """Return the content; error messages are replaced by their type."""
    sentences = ("message", "detail")
    content = answer.content
    if answer.status >= 400 and isinstance(content, dict):
        return {key: type(value).__name__ if key in sentences else value for key, value in content.items()}
    return content


def _shape(answer: Answer) -> Any:
    return _shape_of(answer.content)


def _shape_of(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _shape_of(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_shape_of(content[0])] if content else []
    return "number" if isinstance(content, (int, float)) and not isinstance(content, bool) else type(content).__name__
