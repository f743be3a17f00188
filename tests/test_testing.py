"""The pytest plugin, as the author of an endpoint meets it: in a project of his own."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.testing.serving import client_of, reserved_port, serving
from tests.support import ROOT, make_manager, run_pytest

INI = """
[pytest]
internal_api_plugin_dirs = plugins
addopts = --strict-markers --strict-config
filterwarnings = error
"""
PLUGIN = '''
from flask import Blueprint, request
from lmcache_internal.api import engine, metadata, operation

router = Blueprint("greeting", __name__)

@router.get("/greeting")
@operation(action="greet")
def greeting(name: str) -> dict[str, object]:
    """Greet somebody."""
    return {"greeting": f"Hello, {name}!", "model": metadata().model_name, "frozen": engine().is_frozen()}

@router.post("/echo")
def echo():
    return request.get_data(), {"X-Query": request.query_string.decode(), "X-Sent": request.headers.get("X-Sent", "")}
'''
SECOND = """
from flask import Blueprint

router = Blueprint("second", __name__)

@router.get("/second")
def second():
    return "fine"
"""
SUITE = """
import io

import pytest

def test_greeting(internal_api_client):
    greeting = internal_api_client.get("/greeting?name=you").get_json()
    assert greeting == {"greeting": "Hello, you!", "model": "test-model", "frozen": False}

def test_server(internal_api_server, internal_api_server_client, internal_api_engine, request):
    assert request.node.name == f"test_server[{'unix' if internal_api_server.socket_path else 'tcp'}]"
    internal_api_engine.lmcache_engine.freeze(True)
    answer = internal_api_server_client.get("/greeting", query_string={"name": "yoü &=%2F"})
    assert answer.get_json() == {"greeting": "Hello, yoü &=%2F!", "model": "test-model", "frozen": True}

def test_what_travels(internal_api_server_client):
    answer = internal_api_server_client.post("/echo?a=%C3%BC&a=b c", data=bytes(range(256)), headers={"X-Sent": "yes"})
    assert answer.data == bytes(range(256))
    assert answer.headers["X-Query"] == "a=%C3%BC&a=b%20c"
    assert answer.headers["X-Sent"] == "yes"
    file = io.BytesIO(b"result = 6 * 7")
    assert internal_api_server_client.post("/run_script", data={"script": (file, "s.py")}).text == "42"
    assert internal_api_server_client.post("/conf", json={"min_retrieve_tokens": 8}).get_json()["updated"]
    head = internal_api_server_client.head("/lmc_version")
    assert (head.status_code, head.data, head.content_length > 0) == (200, b"", True)
    assert internal_api_server_client.get("/nowhere/%2F/ü").status_code == 404

@pytest.mark.internal_api(config={"chunk_size": 32})
class TestMarks:
    def test_config(self, internal_api_client):
        assert "32" in internal_api_client.get("/conf?names=chunk_size").text

    @pytest.mark.internal_api(role="scheduler")
    def test_marks_add_up(self, internal_api_client):
        assert internal_api_client.get("/greeting?name=you").status_code == 503
        assert "32" in internal_api_client.get("/conf?names=chunk_size").text

    @pytest.mark.internal_api(plugin_dirs=[], config={})
    def test_the_nearest_counts(self, internal_api_client):
        assert internal_api_client.get("/greeting?name=you").status_code == 404
        assert "16" in internal_api_client.get("/conf?names=chunk_size").text

def test_real_engine(internal_api_real_engine):
    pass
"""
OWN_MANAGER = """
import pytest
from lmcache_internal import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata

pytestmark = pytest.mark.internal_api(plugin_dirs=["../plugins"])

@pytest.fixture
def internal_api_engine():
    extra = {"internal_api_server_plugin_dirs": [PLUGINS]}
    metadata = EmbeddedMetadata("my-model", (1, 1, 8, 1, 8), worker_id=3, world_size=8)
    with EmbeddedManager(EmbeddedConfig({"chunk_size": 8, "extra_config": extra}), metadata) as manager:
        yield manager

def test_client(internal_api_client):
    assert internal_api_client.get("/greeting?name=you").get_json()["model"] == "my-model"
    assert internal_api_client.get("/second").text == "fine"

def test_server(internal_api_server_client):
    assert internal_api_server_client.get("/greeting?name=you").get_json()["model"] == "my-model"
"""
BROKEN = """
import pytest

@pytest.mark.internal_api(plugin_dirs=["broken", "plugins"])
def test_broken(internal_api_client): pass

@pytest.mark.internal_api(plugin_dirs=["nowhere"])
def test_missing(internal_api_server): pass

@pytest.mark.internal_api(plugin_dir=["plugins"])
@pytest.mark.internal_api(role="worker")
def test_typo(internal_api_client): pass

@pytest.mark.internal_api(plugin_dirs="plugins")
def test_string(internal_api_client): pass

@pytest.mark.internal_api(["plugins"])
def test_positional(internal_api_client): pass

@pytest.mark.internal_api(role="schedular")
def test_role(internal_api_client): pass

@pytest.mark.internal_api(config={"chunk_size": "many"})
def test_config(internal_api_client): pass
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with plugins and tests of theirs, good and bad."""
    directory = tmp_path_factory.mktemp("project")
    files = {
        "pytest.ini": INI,
        "plugins/greeting_api.py": PLUGIN,
        "plugins/test_greeting_api.py": "raise RuntimeError('a test is no endpoint')",
        "second/second_api.py": SECOND,
        "test_suite.py": SUITE,
        "sub/test_own.py": OWN_MANAGER.replace("PLUGINS", repr(str(directory / "second"))),
        "broken/broken_api.py": "import flask\n\n1 / 0\n",
        "broken_suite.py": BROKEN,
    }
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    return directory


def test_a_plugins_tests_pass(project: Path) -> None:
    run = run_pytest(project, "-rs", "test_suite.py", "sub")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "11 passed, 1 skipped" in run.stdout
    assert "LMCache is not installed" in run.stdout


def test_what_is_wrong_fails_and_says_so(project: Path) -> None:
    run = run_pytest(project, "-rA", "broken_suite.py")
    assert "8 errors" in run.stdout, run.stdout + run.stderr
    sections = re.split(r"_+ ERROR at setup of (test_\w+)\S* _+\n", run.stdout)
    reasons = dict(zip(sections[1::2], sections[2::2], strict=True))
    broken = project / "broken" / "broken_api.py"
    assert f"{broken} is not served: it fails to import: ZeroDivisionError: division by zero" in reasons["test_broken"]
    assert f'{broken}", line 3' in reasons["test_broken"]
    assert f"{project / 'nowhere'} is not served: no such directory" in reasons["test_missing"]
    assert "@pytest.mark.internal_api: " in reasons["test_typo"]
    assert "unexpected keyword argument 'plugin_dir'" in reasons["test_typo"]
    assert "plugin_dirs must be a list of directories, got 'plugins'" in reasons["test_string"]
    assert "takes 1 positional argument but 2 were given" in reasons["test_positional"]
    assert 'role must be "worker" or "scheduler", got \'schedular\'' in reasons["test_role"]
    assert "Invalid value for chunk_size: expected int, got 'many'" in reasons["test_config"]


def test_an_lmcache_that_cannot_be_imported_is_a_reason_to_skip(project: Path, tmp_path: Path) -> None:
    (tmp_path / "lmcache.py").touch()
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.12 is missing')")
    run = run_pytest(project, "-rs", "test_suite.py", "-k", "real", path=tmp_path)
    assert "1 skipped" in run.stdout, run.stdout + run.stderr
    assert "LMCache cannot create an engine: ImportError: libcudart.so.12 is missing" in run.stdout


def test_it_is_loaded_once_where_the_package_is_installed(project: Path, tmp_path: Path) -> None:
    declared = '"pytest11": ["lmcache_internal.testing = lmcache_internal.testing"]'
    assert declared in (ROOT / "setup.py").read_text()
    metadata = tmp_path / "lmcache_internal-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lmcache-internal\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pytest11]\nlmcache_internal.testing = lmcache_internal.testing\n")
    arguments = ("-p", "lmcache_internal.testing", "test_suite.py", "-k", "greeting")
    run = run_pytest(project, *arguments, path=tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="")
    assert "lmcache-internal-1.0" in run.stdout
    assert "1 passed" in run.stdout, run.stdout + run.stderr


def test_pytest_lists_what_there_is(project: Path) -> None:
    fixtures = run_pytest(project, "--fixtures", "plugins").stdout
    for name in ("engine", "real_engine", "app", "client", "server", "server_client"):
        assert re.search(rf"^internal_api_{name} -- .*\n    [A-Z].*[.]\n", fixtures, re.MULTILINE), name
    assert "@pytest.mark.internal_api(" in run_pytest(project, "--markers").stdout


def test_a_start_of_pytest_imports_nothing_heavy() -> None:
    program = """
import sys, pytest
before = set(sys.modules)
import lmcache_internal.testing
print(*sorted({name.split(".")[0] for name in sys.modules.keys() - before} - sys.stdlib_module_names))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["lmcache_internal"]


def test_many_servers_at_once_have_ports_of_their_own() -> None:
    with ExitStack() as stack:
        servers: list[InternalAPIServer] = []
        for _ in range(20):
            manager = stack.enter_context(make_manager())
            servers.append(stack.enter_context(serving(manager, "tcp")))
        assert len({server.port for server in servers}) == 20
        assert {client_of(server).get("/lmc_version").status_code for server in servers} == {200}


def test_a_port_is_given_to_nobody_else_before_the_server_has_it() -> None:
    with reserved_port() as port, socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))


def test_a_server_that_has_stopped_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with make_manager() as manager:
        with serving(manager, "unix") as server:
            assert list(tmp_path.rglob("internal_api_*"))
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(FileNotFoundError):
            client_of(server).get("/lmc_version")
