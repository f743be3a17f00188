"""Plugins are found, mounted and isolated; a broken one is reported and the others are served."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.plugins import Plugins
from lmcache_internal.plugins.sources import kinds_of, written_kinds
from tests.mp_support import mp_manager
from tests.support import ROOT, make_manager


def source(path: str = "/one", name: str = "one", expression: str = "'fine'", head: str = "") -> str:
    """Return a plugin that responds to GET `path` with `expression`."""
    variables = ", ".join(part.strip("<>").rpartition(":")[2] for part in path.split("/") if part.startswith("<"))
    return f"""
from flask import Blueprint, url_for
{head}
router = Blueprint({name!r}, __name__)

@router.get({path!r})
def answer({variables}):
    return {expression}
"""


def write(directory: Path, **files: str) -> Path:
    """Write `<name>.py` for each of `files`; return the directory."""
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    return directory


def mount(*directories: Path) -> tuple[FlaskClient, Plugins]:
    """Return a client of an app with these plugins, and the report."""
    app = create_app(None, directories)
    report = app.extensions["lmcache_internal"]
    assert isinstance(report, Plugins)
    return app.test_client(), report


def in_process(directory: Path) -> list[str]:
    """The built-in endpoint files for in-process engines."""
    return [str(file) for file in sorted(directory.glob("*_api.py")) if not file.name.startswith("mp_")]


def added(report: Plugins) -> list[str]:
    """Return the sources of plugins that are not built in."""
    return [loaded for loaded in report.loaded if not loaded.startswith(str(ROOT))]


def test_built_in_endpoints_are_all_loaded() -> None:
    _, report = mount()
    assert report.loaded == in_process(ROOT / "blueprints")
    assert report.other == [str(file) for file in sorted((ROOT / "blueprints").glob("mp_*_api.py"))]
    assert report.failed == {}


def test_built_in_files_for_mp_servers_are_not_imported_by_others() -> None:
    imported = "import sys; print([name for name in sys.modules if '.blueprints.mp_' in name])"
    code = f"from lmcache_internal import create_app; create_app(None); {imported}"
    result = python(code, ROOT, cwd=ROOT)
    assert (result.stdout.strip(), result.stderr) == ("[]", "")


@pytest.mark.parametrize("file", sorted((ROOT / "blueprints").glob("*_api.py")), ids=lambda file: file.stem)
def test_what_is_written_in_a_built_in_file_is_what_it_declares(file: Path) -> None:
    module = importlib.import_module(f"lmcache_internal.blueprints.{file.stem}")
    assert written_kinds(str(file)) == kinds_of(module)


def test_a_plugin_is_mounted_for_the_kinds_of_engines_that_it_declares(tmp_path: Path) -> None:
    write(
        tmp_path,
        none_api=source("/none", "none"),
        mp_api=source("/mp", "mp") + '\nengines = ("mp",)\n',
        both_api=source("/both", "both") + '\nengines = ("mp", "in-process")\n',
    )
    in_process_client, report = mount(tmp_path)
    assert [in_process_client.get(path).status_code for path in ("/none", "/mp", "/both")] == [200, 404, 200]
    assert report.other[-1] == str(tmp_path / "mp_api.py")
    with mp_manager(None) as manager:
        app = create_app(manager, [tmp_path])
        mp_client = app.test_client()
        assert [mp_client.get(path).status_code for path in ("/none", "/mp", "/both")] == [404, 200, 200]
        assert app.extensions["lmcache_internal"].failed == {}


@pytest.mark.parametrize("declared", ['"mp"', "()", '("gpu",)', '["mp"]'])
def test_an_unknown_kind_of_engine_is_refused(tmp_path: Path, declared: str) -> None:
    write(tmp_path, one_api=source() + f"\nengines = {declared}\n")
    _, report = mount(tmp_path)
    assert "its `engines` must be a tuple of" in report.failed[str(tmp_path / "one_api.py")]


def test_only_files_with_the_suffix_are_loaded(tmp_path: Path) -> None:
    write(tmp_path, one_api=source(), helper="raise RuntimeError", api="raise RuntimeError")
    client, report = mount(tmp_path)
    assert added(report) == [str(tmp_path / "one_api.py")]
    assert client.get("/one").text == "fine"


def test_plugins_are_ordered_by_directory_then_name(tmp_path: Path) -> None:
    late = write(tmp_path / "a", b_api=source("/ab", "ab"), a_api=source("/aa", "aa"))
    early = write(tmp_path / "z", b_api=source("/zb", "zb"), a_api=source("/za", "za"))
    _, report = mount(early, late)
    assert added(report) == [str(directory / f"{name}_api.py") for directory in (early, late) for name in "ab"]


def test_config_directories_precede_arguments(tmp_path: Path) -> None:
    first = write(tmp_path / "first", one_api=source(expression="'config'"))
    second = write(tmp_path / "second", one_api=source(), two_api=source("/two", "two"))
    with make_manager(extra_config={"internal_api_server_plugin_dirs": [str(first)]}) as manager:
        app = create_app(manager, plugin_dirs=[str(second)])
    assert app.test_client().get("/one").text == "config"
    assert app.test_client().get("/two").text == "fine"


def test_config_accepts_a_single_directory(tmp_path: Path) -> None:
    write(tmp_path, one_api=source())
    with make_manager(extra_config={"internal_api_server_plugin_dirs": str(tmp_path)}) as manager:
        assert create_app(manager).test_client().get("/one").text == "fine"


BROKEN = {
    "import": ("import no_such_module", "it fails to import: ModuleNotFoundError: No module named 'no_such_module'"),
    "raise": ("raise ValueError('no good')", "it fails to import: ValueError: no good"),
    "syntax": ("def (:", "it fails to import: SyntaxError: "),
    "bytes": ("\0", "it fails to import: "),
    "exit": ("import sys; sys.exit(3)", "it fails to import: SystemExit: 3"),
    "empty": ("", "it has no `router`"),
    "none": ("router = None", "it has no `router`"),
    "other": ("router = 'text'", "its `router` is a str, not a flask.Blueprint"),
    "class": ("from flask import Blueprint as router", "its `router` is a type, not a flask.Blueprint"),
    "deferred": (
        source(name="one") + "\nrouter.record(lambda state: 1 / 0)",
        "its blueprint cannot be registered: ZeroDivisionError: division by zero",
    ),
    "builtin": (source("/conf"), "its route GET /conf clashes with that of "),
    "slash": (source("/conf/"), "its route GET /conf clashes with that of "),
    "twice": (
        source("/x/<a>") + "\n@router.get('/x/<b>')\ndef again(b): return ''",
        "its route GET /x/<> clashes with that of itself, twice",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_plugin_is_reported_and_others_are_served(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    text, reason = BROKEN[kind]
    write(tmp_path, a_api=source("/a", "a"), m_api=text, z_api=source("/z", "z"))
    client, report = mount(tmp_path)
    broken = str(tmp_path / "m_api.py")
    assert list(report.failed) == [broken]
    assert report.failed[broken].startswith(reason)
    assert added(report) == [str(tmp_path / "a_api.py"), str(tmp_path / "z_api.py")]
    assert client.get("/a").text == client.get("/z").text == "fine"
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert broken in record.getMessage()
    assert report.failed[broken] in record.getMessage()


MISUSE = {
    "no parentheses": ("@router.get('/x')\n@operation\ndef x(): return 1", 'write @operation(action="…")'),
    "no action": ("@router.get('/x')\n@operation()\ndef x(): return 1", 'write @operation(action="…")'),
    "complex": (
        "@router.get('/x')\n@operation(action='x')\ndef x(z: complex): return 1",
        "z: complex, which no request",
    ),
    "list": ("@router.get('/x')\n@operation(action='x')\ndef x(z: list): return 1", "z: list, which no request"),
    "dict": (
        "@router.get('/x')\n@operation(action='x')\ndef x(z: dict[str, int]): return 1",
        "z: dict[str, int], which",
    ),
    "set": (
        "@router.get('/x')\n@operation(action='x')\ndef x(z: set[str] | None = None): return 1",
        "z: set[str], which",
    ),
    "list of complex": (
        "@router.get('/x')\n@operation(action='x')\ndef x(z: list[complex]): return 1",
        "z: list[complex],",
    ),
    "struct": (
        "class S(Struct):\n    z: list[complex]\n@router.put('/x')\n@operation(action='x')\ndef x(s: S): return 1",
        "s: S, which no request",
    ),
    "arguments": (
        "@router.get('/x')\n@operation(action='x')\ndef x(*a): return 1",
        "x has the parameter *a: name each",
    ),
    "keywords": (
        "@router.get('/x')\n@operation(action='x')\ndef x(**a): return 1",
        "x has the parameter **a: name each",
    ),
    "async": ("@router.get('/x')\n@operation(action='x')\nasync def x(): return 1", "x is async: write `def x`"),
    "generator": (
        "@router.get('/x')\n@operation(action='x')\ndef x(): yield 1",
        "x is a generator: return flask.Response",
    ),
    "order": ("@operation(action='x')\n@router.get('/x')\ndef x(): return 1", "write @router.… above @operation"),
    "path": (
        "@router.get('/x/<a>')\n@operation(action='x')\ndef x(b: str = ''): return 1",
        "x has no parameter for a in /x/<a>",
    ),
    "access": (
        "@router.get('/x')\n@operation(action='x', access='viewer')\ndef x(): return 1",
        "access='viewer' is not a role: write access=Role.VIEWER",
    ),
    "number as access": ("@router.get('/x')\n@operation(action='x', access=0)\ndef x(): return 1", "access=0 is not a"),
    "action": ("@router.get('/x')\n@operation(action=3)\ndef x(): return 1", 'write @operation(action="…")'),
    "negative timeout": (
        "@router.get('/x')\n@operation(action='x', timeout=-1)\ndef x(): return 1",
        "timeout=-1 is not a number of seconds: write, for example, timeout=5.0",
    ),
    "timeout as text": (
        "@router.get('/x')\n@operation(action='x', timeout='5')\ndef x(): return 1",
        "timeout='5' is not a number of seconds",
    ),
    "zero timeout": ("@router.get('/x')\n@operation(action='x', timeout=0)\ndef x(): return 1", "timeout=0 is not a"),
    "cheap with a timeout": (
        "@router.get('/x')\n@operation(action='x', cheap=True, timeout=3)\ndef x(): return 1",
        "timeout= has no effect with cheap=True",
    ),
    "cheap and exclusive": (
        "@router.put('/x')\n@operation(action='x', cheap=True, exclusive=True)\ndef x(): return 1",
        "exclusive= has no effect with cheap=True",
    ),
    "one error": (
        "@router.get('/x')\n@operation(action='x', errors=NotFound)\ndef x(): return 1",
        "errors=NotFound is not a tuple: write errors=(NotFound,)",
    ),
    "error without a status": (
        "@router.get('/x')\n@operation(action='x', errors=(ValueError,))\ndef x(): return 1",
        "errors= contains <class 'ValueError'>, which has no HTTP status: use BadRequest",
    ),
    "operation on a class": ("@router.get('/x')\n@operation(action='x')\nclass X: pass", "apply it to a function"),
    "positional-only": (
        "@router.get('/x')\n@operation(action='x')\ndef x(a: int, /): return 1",
        "x has the positional-only parameter a: int: remove the `/` after it",
    ),
    "sibling": (
        "from helper import VALUE",
        "it fails to import helper.py, which is beside it: write `from .helper import …`",
    ),
    "sibling module": ("import helper", "write `from .helper import …`"),
}


@pytest.mark.parametrize("kind", MISUSE)
def test_misuse_is_rejected_with_a_fix(tmp_path: Path, kind: str) -> None:
    text, reason = MISUSE[kind]
    imports = "from flask import Blueprint\nfrom lmcache_internal.api import NotFound, Struct, operation\n"
    write(tmp_path, one_api=f"{imports}router = Blueprint('x', __name__)\n{text}", helper="VALUE = 1")
    (found,) = mount(tmp_path)[1].failed.values()
    assert reason in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/x", "/x"),
        ("/x", "/x/"),
        ("/x/<a>", "/x/<b>"),
        ("/x/<a>", "/x/<string:b>"),
        ("/x/<int:a>/y", "/x/<int:b>/y"),
    ],
)
def test_first_of_two_clashing_plugins_is_served(tmp_path: Path, first: str, second: str) -> None:
    write(tmp_path, a_api=source(first, "a", "'first'"), b_api=source(second, "b", "'second'"))
    client, report = mount(tmp_path)
    assert client.get(first.replace("<a>", "1").replace("<int:a>", "1")).text == "first"
    (reason,) = report.failed.values()
    assert reason.endswith(f"clashes with that of {tmp_path / 'a_api.py'}")


def test_different_routes_do_not_clash(tmp_path: Path) -> None:
    write(
        tmp_path,
        a_api=source("/x/<a>", "a", "'text'"),
        b_api=source("/x/<int:a>", "b", "'number'"),
        c_api=source("/x", "c", "'get'"),
        d_api=source("/x", "d", "'post'").replace("router.get", "router.post"),
        e_api=source("/conf", "e", "'delete'").replace("router.get", "router.delete"),
    )
    client, report = mount(tmp_path)
    assert report.failed == {}
    assert [client.get("/x/y").text, client.get("/x/5").text] == ["text", "number"]
    assert [client.get("/x").text, client.post("/x").text, client.delete("/conf").text] == ["get", "post", "delete"]


def test_clashing_plugin_is_not_served_at_all(tmp_path: Path) -> None:
    write(tmp_path, a_api=source("/new") + "\n@router.get('/conf')\ndef again(): return ''")
    client, report = mount(tmp_path)
    assert len(report.failed) == 1
    assert client.get("/new").status_code == 404


def test_plugins_may_share_a_blueprint_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        a_api=source("/a", "conf", "url_for('.answer')"),
        b_api=source("/b", "conf", "url_for('.answer')"),
        c_api=source("/c", "one", "url_for('.answer')"),
    )
    client, report = mount(tmp_path)
    assert report.failed == {}
    assert [client.get(path).text for path in ("/a", "/b", "/c")] == ["/a", "/b", "/c"]


def test_url_prefix_is_part_of_the_route(tmp_path: Path) -> None:
    prefixed = source("/x").replace("__name__)", "__name__, url_prefix='/prefix')")
    write(tmp_path, a_api=prefixed, b_api=source("/prefix/x", "b"), c_api=source("/x", "c", "'bare'"))
    client, report = mount(tmp_path)
    assert [client.get("/prefix/x").text, client.get("/x").text] == ["fine", "bare"]
    assert list(report.failed) == [str(tmp_path / "b_api.py")]


@pytest.mark.parametrize("head", ["from .helper import VALUE", "from . import helper; VALUE = helper.VALUE"])
def test_files_of_a_directory_can_import_one_another(tmp_path: Path, head: str) -> None:
    write(tmp_path, one_api=source(expression="VALUE", head=head), helper="VALUE = 'helped'")
    client, report = mount(tmp_path)
    assert report.failed == {}
    assert client.get("/one").text == "helped"


def test_file_is_loaded_once_and_served_by_each_app(tmp_path: Path) -> None:
    head = f"from prometheus_client import Gauge\nONCE = Gauge('once_{os.getpid()}', 'Exists once.')\ncalls = []"
    write(tmp_path, one_api=source(expression="str(calls.append(1) or len(calls))", head=head))
    (tmp_path / "link").symlink_to(tmp_path)
    apps = [mount(tmp_path), mount(tmp_path), mount(tmp_path / "link")]
    assert [report.failed for _, report in apps] == [{}, {}, {}]
    assert [client.get("/one").text for client, _ in apps] == ["1", "2", "3"]


def test_hooks_of_a_file_run_once_per_request_in_each_app(tmp_path: Path) -> None:
    write(
        tmp_path,
        one_api=source(expression="str(len(seen))", head="seen = []")
        + "\nrouter.before_request(lambda: seen.append(1))",
    )
    apps = [mount(tmp_path)[0] for _ in range(3)]
    assert [client.get("/one").text for client in apps] == ["1", "2", "3"]


def test_failed_file_is_reported_by_each_app_with_first_error(tmp_path: Path) -> None:
    head = f"from prometheus_client import Gauge\nONCE = Gauge('half_{os.getpid()}', 'Exists once.')\n1 / 0"
    write(tmp_path, one_api=head)
    reports = [mount(tmp_path)[1].failed for _ in range(3)]
    assert reports == [{str(tmp_path / "one_api.py"): "it fails to import: ZeroDivisionError: division by zero"}] * 3


def test_next_app_sees_new_and_removed_files(tmp_path: Path) -> None:
    write(tmp_path, one_api=source())
    mount(tmp_path)
    (tmp_path / "one_api.py").unlink()
    write(tmp_path, two_api=source("/two", "two"))
    client, _ = mount(tmp_path)
    assert [client.get("/one").status_code, client.get("/two").status_code] == [404, 200]


def test_files_with_same_name_are_separate_modules(tmp_path: Path) -> None:
    directories = [
        write(
            tmp_path / name,
            one_api=source(f"/{name}", expression="VALUE", head="from .helper import VALUE"),
            helper=f"VALUE = {name!r}",
        )
        for name in ("a", "b")
    ]
    client, report = mount(*directories)
    assert report.failed == {}
    assert [client.get("/a").text, client.get("/b").text] == ["a", "b"]


def test_plugin_files_do_not_shadow_modules(tmp_path: Path) -> None:
    write(tmp_path, json_api=source(), json="raise RuntimeError", helper="")
    before = list(sys.path)
    assert mount(tmp_path)[1].failed == {}
    assert sys.path == before
    assert "helper" not in sys.modules
    assert "json_api" not in sys.modules


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_missing_directory_is_reported(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    client, report = mount(tmp_path / name, write(tmp_path / "there", one_api=source()))
    assert report.failed == {str(tmp_path / name): "no such directory"}
    assert client.get("/one").text == "fine"
    assert str(tmp_path / name) in caplog.text


def test_test_files_are_not_loaded(tmp_path: Path) -> None:
    client, report = mount(write(tmp_path, one_api=source(), test_one_api="1 / 0", test_api=source("/test")))
    assert added(report) == [str(tmp_path / "one_api.py"), str(tmp_path / "test_api.py")]
    assert report.failed == {}
    assert client.get("/test").text == "fine"


def test_log_has_traceback_of_broken_plugin(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mount(write(tmp_path, one_api="import flask\n\nraise OSError('no answer from redis://user:s3cret@host')\n"))
    assert f'File "{tmp_path / "one_api.py"}", line 3' in caplog.text
    assert "no answer from redis://***@host" in caplog.text
    assert "s3cret" not in caplog.text


def distribution(site: Path, name: str, module: str, *lines: str) -> None:
    """Install a package of one module into `site`, with these entry points."""
    write(site / name, __init__=module)
    metadata = site / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("\n".join(["[lmcache_internal.blueprints]", *lines, ""]))


def test_installed_packages_serve_endpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = source("/module") + source("/object", "other", "'object'").replace("router", "other")
    distribution(tmp_path, "dist_of_two", module, "b = dist_of_two", "a = dist_of_two:other")
    monkeypatch.syspath_prepend(tmp_path)
    client, report = mount()
    assert report.failed == {}
    assert report.loaded[-2:] == ["entry point a (dist_of_two:other)", "entry point b (dist_of_two)"]
    assert [client.get("/module").text, client.get("/object").text] == ["fine", "object"]
    assert mount()[0].get("/object").text == "object"


def test_package_found_twice_is_served_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for site in (tmp_path / "one", tmp_path / "two"):
        site.mkdir()
        distribution(site, "dist_of_one", source("/once"), "once = dist_of_one")
        monkeypatch.syspath_prepend(site)
    client, report = mount()
    assert report.failed == {}
    assert report.loaded[-1] == "entry point once (dist_of_one)"
    assert client.get("/once").text == "fine"


def test_broken_entry_points_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = ["a = no_such_package", "b = dist_of_three:missing", "c = dist_of_three:number", "d = dist_of_three"]
    distribution(tmp_path, "dist_of_three", "number = 5\n" + source("/conf"), *targets)
    monkeypatch.syspath_prepend(tmp_path)
    client, report = mount()
    assert [source.split(" (")[0] for source in report.failed] == [f"entry point {letter}" for letter in "abcd"]
    reasons = list(report.failed.values())
    assert "No module named 'no_such_package'" in reasons[0]
    assert "AttributeError" in reasons[1]
    assert "is a int, not a flask.Blueprint" in reasons[2]
    assert "GET /conf clashes" in reasons[3]
    assert client.get("/metrics").status_code == 200


def lay_out(to: Path, blueprints: Path) -> None:
    """Link the library in `to`, and copy the endpoints to `blueprints`."""
    to.mkdir(parents=True)
    for each in (ROOT / "lmcache_internal").iterdir():
        (to / each.name).symlink_to(each)
    shutil.copytree(ROOT / "blueprints", blueprints, ignore=shutil.ignore_patterns("__pycache__"))


def python(code: str, path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environ: dict[str, Any] = {**os.environ, "PYTHONPATH": str(path), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=cwd, capture_output=True, text=True, check=False
    )


SERVE = """
from lmcache_internal import create_app
app = create_app(None)
assert app.test_client().get("/metrics").status_code == 200
print(*app.extensions["lmcache_internal"].loaded, sep="\\n")
"""
IMPORT_ONE = """
import lmcache_internal.blueprints.conf_api as conf_api
assert app.view_functions["conf.read_config"] is conf_api.read_config, "the endpoint file was loaded twice"
"""


def test_plugins_work_in_installed_package(tmp_path: Path) -> None:
    package = tmp_path / "site" / "lmcache_internal"
    lay_out(package, package / "blueprints")
    write(package.parent / "blueprints", users_api="raise RuntimeError('not ours')", __init__="")
    result = python(SERVE + IMPORT_ONE, package.parent, cwd=tmp_path)
    assert result.stderr == ""
    assert result.stdout.splitlines() == in_process(package / "blueprints")


def test_plugins_work_in_checkout(tmp_path: Path) -> None:
    lay_out(tmp_path / "lmcache_internal", tmp_path / "blueprints")
    result = python(SERVE, tmp_path, cwd=tmp_path.parent)
    assert result.stderr == ""
    assert result.stdout.splitlines() == in_process(tmp_path / "blueprints")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("", "it has no `router`"),
        (source("/conf"), "GET /conf clashes"),
    ],
)
def test_broken_built_in_endpoint_raises(tmp_path: Path, text: str, reason: str) -> None:
    lay_out(tmp_path / "lmcache_internal", tmp_path / "blueprints")
    write(tmp_path / "blueprints", zz_api=text)
    result = python("from lmcache_internal import create_app; create_app(None)", tmp_path, cwd=tmp_path)
    last = result.stderr.splitlines()[-1]
    assert result.returncode == 1
    assert last.startswith(f"lmcache_internal.plugins.report.PluginError: {tmp_path / 'blueprints' / 'zz_api.py'}: ")
    assert reason in last


def test_a_get_view_that_declares_no_access_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "lint_api.py").write_text(
        "from flask import Blueprint\n"
        "from lmcache_internal.api import Role, operation\n"
        "router = Blueprint('lint', __name__)\n"
        "@router.get('/plain')\n"
        "def plain(): return 'x'\n"
        "@router.get('/undeclared')\n"
        "@operation(action='show')\n"
        "def undeclared() -> int: return 1\n"
        "@router.get('/declared')\n"
        "@operation(action='show', access=Role.PUBLIC)\n"
        "def declared() -> int: return 1\n"
        "@router.post('/written')\n"
        "@operation(action='write')\n"
        "def written() -> int: return 1\n"
    )
    create_app(None, [tmp_path])
    warned = [record.getMessage() for record in caplog.records if "declares no access" in record.getMessage()]
    assert [message.split()[1] for message in warned] == ["/plain", "/undeclared"]


APP_WIDE = {
    "before_app_request": "def x(): raise ValueError('broken')",
    "after_app_request": "def x(response): return response",
    "teardown_app_request": "def x(error): pass",
    "app_url_value_preprocessor": "def x(endpoint, values): pass",
    "app_errorhandler(404)": "def x(error): return 'mine', 404",
}


@pytest.mark.parametrize("decorator", APP_WIDE)
def test_a_function_for_every_endpoint_logs_a_warning(
    tmp_path: Path, decorator: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = decorator.partition("(")[0]
    own = source("/own", "own") + f"\n@router.{decorator.replace('app_', '')}\n{APP_WIDE[decorator]}"
    write(tmp_path, a_api=own, b_api=source("/x", "x") + f"\n@router.{decorator}\n{APP_WIDE[decorator]}")
    mount(tmp_path)
    warned = [record.getMessage() for record in caplog.records if "affects every endpoint" in record.getMessage()]
    assert warned == [
        f"The plugin {tmp_path / 'b_api.py'} uses {name}, which affects every endpoint, health checks too; "
        f"use {name.replace('app_', '')}"
    ]
