"""The README's walk-through, command by command: real curl, a real process, a port and a Unix socket."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT, eventually, free_port

Curl = Callable[[str], str]
URL = "http://localhost:7000"


def commands() -> list[str]:
    """The curl commands of the README's section "Walk-through"."""
    section = (ROOT / "README.md").read_text().partition("## Walk-through")[2].partition("\n## ")[0]
    blocks = "".join(re.findall(r"```bash\n(.*?)```", section, re.DOTALL)).replace("\\\n", " ")
    return [line for line in blocks.splitlines() if line.startswith("curl")]


@pytest.fixture(scope="module", params=["tcp", "unix"])
def curl(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Curl]:
    """Runs a curl command of the README against `python example_app.py`."""
    directory = tmp_path_factory.mktemp("walkthrough")
    config = yaml.safe_load((ROOT / "examples" / "lmcache.yaml").read_text())
    port = config["internal_api_server_port_start"] = free_port() - 1
    if request.param == "unix":
        config["internal_api_server_socket_path_prefix"] = str(directory / "socket")
    (directory / "lmcache.yaml").write_text(yaml.safe_dump(config))
    terminal = directory / "terminal"
    with terminal.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "example_app.py", "--config", str(directory / "lmcache.yaml")],
            cwd=ROOT,
            stdout=stream,
            stderr=stream,
        )
    assert eventually(lambda: "Ctrl-C" in terminal.read_text()), terminal.read_text()

    def run(command: str) -> str:
        words = shlex.split(command.replace("localhost:7000", f"localhost:{port + 1}"))
        if request.param == "unix":
            words[1:1] = ["--unix-socket", str(directory / f"socket_{port + 1}")]
        words[1:1] = ["--silent", "--show-error", "--fail-with-body", "--noproxy", "*"]
        return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True, timeout=180).stdout

    yield run
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0
    output = terminal.read_text()
    assert "\nStopping.\n" in output
    # What the README says of the log level.
    assert re.search(
        r"^.* DEBUG \[worker 0\] lmcache.v1.cache_engine: Retrieved 256 of 256 tokens$", output, re.MULTILINE
    )


def test_the_readme_has_the_seeds_commands() -> None:
    fetched = " ".join(commands())
    for word in ("/metrics", "/conf", "-X POST", "/meta", "/threads", "/loglevel", "level=DEBUG", "/run_script"):
        assert word in fetched


def state(curl: Curl) -> list[str]:
    """What the walk-through changes, and what else shows whether it leaves something behind."""
    paths = ("/conf", "/freeze/status", "/hot_cache/status", "/loglevel", "/bypass/list", "/backends")
    usage = [line for line in curl(f"curl {URL}/metrics").splitlines() if line.startswith("lmcache:local_c")]
    return [*(curl(f"curl {URL}{path}") for path in paths), *(line for line in usage if "_created" not in line)]


def test_the_walkthrough_works_as_written_and_leaves_the_demo_as_it_was(curl: Curl) -> None:
    curl(f"curl {URL}/loglevel?logger_name=lmcache.v1.cache_engine")
    before = state(curl)
    answers = [curl(command) for command in commands()]
    assert all(answers)
    assert state(curl) == before


def test_answers_are_those_of_the_readme(curl: Curl) -> None:
    base = URL
    assert "lmcache:num_stored_tokens_total" in curl(f"curl {base}/metrics")
    posted = curl(f'curl -X POST {base}/conf -d \'{{"min_retrieve_tokens": 512, "unknown_key": 1}}\'')
    assert json.loads(posted) == {"updated": {"min_retrieve_tokens": 512}, "errors": {"unknown_key": "Unknown config"}}
    curl(f"curl -X POST {base}/conf -d '{{\"min_retrieve_tokens\": 0}}'")
    assert curl(f"curl -X POST {base}/run_script -F script=@examples/scratch.py") == (
        "{'is_first_rank': True, 'model_version': (27, 1, 64, 1, 576), 'LocalCPUBackend.use_hot': True}"
    )
    assert curl(f"curl '{base}/loglevel?logger_name=lmcache.v1.cache_engine&level=DEBUG'") == (
        "Set lmcache.v1.cache_engine level to DEBUG (including all handlers)"
    )


class TestExampleApp:
    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "example_app.py", *arguments]
        return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=180)

    def test_help_names_the_options(self) -> None:
        text = self.run("--help").stdout
        assert all(option in text for option in ("--config", "--model", "--kv-shape"))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--kv-shape", "1,2"], "expected five numbers"),
            (["--config", "/no/such/file"], "Cannot read the configuration file /no/such/file"),
            (["--kv-shape", "2,2,256,4,16"], "chunk_size is 64, but kv_shape"),
        ],
    )
    def test_mistakes_are_one_clear_line(self, arguments: list[str], message: str) -> None:
        ended = self.run(*arguments)
        assert ended.returncode != 0
        assert message in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_sigterm_ends_it_cleanly(self, tmp_path: Path) -> None:
        config = tmp_path / "lmcache.yaml"
        config.write_text(
            f"chunk_size: 64\ninternal_api_server_enabled: true\ninternal_api_server_port_start: {free_port()}\n"
        )
        log = tmp_path / "log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                [sys.executable, "example_app.py", "--config", str(config)], cwd=ROOT, stdout=stream, stderr=stream
            )
            try:
                assert eventually(lambda: "Ctrl-C" in log.read_text())
            finally:
                process.terminate()
                status = process.wait(120)
        assert status == 0
        assert "Traceback" not in log.read_text()
