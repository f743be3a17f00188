"""LMCache's server is replaced when it is imported, or nothing is served: on packages laid out as LMCache's."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmcache_internal.engine import lmcache_names
from tests.integrations.lmcache_layout import HOMES, lay_out, run, start


@pytest.mark.parametrize("value", ["lmcache_internal", "typo", ""])
def test_plugin_imports_nothing(value: str) -> None:
    program = """
import sys
from lmcache_internal.integrations.lmcache import vllm_plugin
vllm_plugin()
print(*sorted({"lmcache", "numba", "torch", "vllm", "flask", "waitress", "werkzeug"} & {*sys.modules}))
"""
    assert run(program, LMCACHE_INTERNAL_API_SERVER=value) == "\n"


@pytest.mark.parametrize(("home", "asked"), list(zip(HOMES, ["lmcache_internal", "lmcache_internal?"], strict=True)))
def test_server_of_either_home_is_replaced_as_it_is_imported(tmp_path: Path, home: str, asked: str) -> None:
    said = start(lay_out(tmp_path, home), tmp_path, asked)
    assert "theirs" not in said
    assert "serves True" in said
    assert said.count("is replaced by lmcache_internal") == 1


def test_homes_of_these_tests_are_those_of_the_table() -> None:
    assert sorted(lmcache_names.modules_of("InternalAPIServer")) == sorted(HOMES)


@pytest.mark.parametrize(("home", "asked"), list(zip(HOMES, ["", "lmcache"], strict=True)))
def test_nothing_is_replaced_where_nobody_asks(tmp_path: Path, home: str, asked: str) -> None:
    said = start(lay_out(tmp_path, home), tmp_path, asked)
    assert said == "theirs built\ntheirs started\nserves True\nthe engine goes on\n"


ANOTHER_HOOK = """
import sys

class AnotherHook:
    def find_spec(self, fullname, path, target=None):
        found = (finder.find_spec(fullname, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, found), None)
        if fullname == "lmcache.logging":
            print("seen by another hook")
        return spec

"""


PLUGIN = "from lmcache_internal.integrations.lmcache import vllm_plugin; vllm_plugin()"


@pytest.mark.parametrize("ours_first", [PLUGIN, ""])
def test_server_is_replaced_beside_the_import_hooks_of_others(tmp_path: Path, ours_first: str) -> None:
    before = f"{ours_first}\n{ANOTHER_HOOK}sys.meta_path.insert(0, AnotherHook())\n"
    said = start(lay_out(tmp_path, HOMES[0]), tmp_path, "lmcache_internal", before=before)
    assert "seen by another hook" in said
    assert "theirs" not in said
    assert "serves True" in said


@pytest.mark.parametrize("home", HOMES)
def test_server_that_is_imported_already_is_replaced_everywhere(tmp_path: Path, home: str) -> None:
    factory = lay_out(tmp_path, home)
    said = start(factory, tmp_path, "lmcache_internal", before=f"import {factory}\n")
    assert "theirs" not in said
    assert "serves True" in said


UNKNOWN = {
    "another package": ("lmcache.legacy.v1.internal_api_server.api_server", "InternalAPIServer"),
    "another module": ("lmcache.inprocess.v1.internal_api_server.server", "InternalAPIServer"),
    "another service": ("lmcache.inprocess.v1.admin.server", "InternalAPIServer"),
    "another class": (HOMES[1], "InternalHTTPServer"),
    "another class elsewhere": ("lmcache.legacy.v1.internal_api_server.http", "AdminServer"),
}


@pytest.mark.parametrize("layout", UNKNOWN)
def test_server_of_an_unknown_version_is_not_served(tmp_path: Path, layout: str) -> None:
    home, class_ = UNKNOWN[layout]
    said = start(lay_out(tmp_path, home, class_=class_), tmp_path, "lmcache_internal")
    assert "theirs" not in said
    assert "serves False" in said
    (error,) = [line for line in said.splitlines() if "ERROR" in line]
    assert home in error
    assert "install a newer lmcache-internal" in error


@pytest.mark.parametrize("layout", UNKNOWN)
def test_server_of_an_unknown_version_is_served_where_that_is_allowed(tmp_path: Path, layout: str) -> None:
    home, class_ = UNKNOWN[layout]
    said = start(lay_out(tmp_path, home, class_=class_), tmp_path, "lmcache_internal?")
    assert "theirs built\ntheirs started\nserves True\n" in said
    assert said.count("LMCache ERROR") == 1


def test_home_without_any_server_is_told(tmp_path: Path) -> None:
    said = start(
        lay_out(tmp_path, HOMES[1], source="def InternalAPIServer(manager):\n    class S:\n        enable = False\n"
                "        start = stop = lambda self: None\n    return S()\n"),
        tmp_path,
        "lmcache_internal",
    )  # fmt: skip
    assert said.count("has no InternalAPIServer where lmcache-internal knows it to be") == 1


@pytest.mark.parametrize(("home", "asked"), list(zip(HOMES, ["lmcache_internal?", "lmcache_internal"], strict=True)))
def test_setting_that_cannot_be_used(tmp_path: Path, home: str, asked: str) -> None:
    said = start(lay_out(tmp_path, home), tmp_path, asked, extra='{"internal_api_server_script_timeout": "soon"}')
    (error,) = [line for line in said.splitlines() if "ERROR" in line]
    assert "expected a positive number, got 'soon'" in error
    assert "Traceback" not in said
    if asked.endswith("?"):
        assert "theirs built\ntheirs started\nserves True\n" in said
    else:
        assert "theirs" not in said
        assert "Nothing is served" in error
        assert "serves False" in said


@pytest.mark.parametrize("asked", ["lmcache_internal", "lmcache_internal?"])
def test_library_that_is_missing(tmp_path: Path, asked: str) -> None:
    without_flask = "import sys; sys.modules['flask'] = None\n"
    said = start(lay_out(tmp_path, HOMES[0]), tmp_path, asked, before=without_flask)
    (error,) = [line for line in said.splitlines() if "ERROR" in line]
    assert "flask" in error
    assert ("theirs built" in said) is asked.endswith("?")


@pytest.mark.parametrize("asked", ["lmcache-internal", "lmcache_internal "])
def test_unknown_value_serves_nothing(tmp_path: Path, asked: str) -> None:
    said = start(lay_out(tmp_path, HOMES[1]), tmp_path, asked)
    assert "theirs" not in said
    (error,) = [line for line in said.splitlines() if "ERROR" in line]
    assert f"LMCACHE_INTERNAL_API_SERVER={asked!r}: expected lmcache_internal, lmcache_internal? or lmcache" in error


def test_constructor_of_another_shape_costs_the_engine_nothing(tmp_path: Path) -> None:
    factory = lay_out(tmp_path, HOMES[1])
    path = tmp_path.joinpath(*factory.split(".")).with_suffix(".py")
    path.write_text(path.read_text().replace("InternalAPIServer(manager)", "InternalAPIServer(manager, role='worker')"))
    said = start(factory, tmp_path, "lmcache_internal")
    assert "theirs" not in said
    assert "unexpected keyword argument 'role'" in said
    assert "serves False" in said


def test_modules_of_lmcache_stay_what_they_are(tmp_path: Path) -> None:
    factory = lay_out(tmp_path, HOMES[0])
    program = f"""
import importlib, inspect, runpy, sys
from importlib.machinery import SourceFileLoader
from lmcache_internal.integrations.lmcache import install, uninstall
install()
install()
import {factory} as factory
assert type(factory.__spec__.loader) is type(factory.__loader__) is SourceFileLoader
assert "return InternalAPIServer(manager)" in inspect.getsource(factory)
assert runpy.run_module("{factory}")["make"]
home = importlib.import_module("{HOMES[0]}")
assert home.InternalAPIServer is factory.InternalAPIServer
assert importlib.reload(home).InternalAPIServer.__module__.startswith("lmcache_internal.")
uninstall()
uninstall()
assert home.InternalAPIServer.__module__ == "{HOMES[0]}"
assert importlib.reload(home).InternalAPIServer.__module__ == "{HOMES[0]}"
assert not [finder for finder in sys.meta_path if "lmcache_internal.integ" in type(finder).__module__]
"""
    run(program, tmp_path)


def test_install_says_that_lmcache_is_missing() -> None:
    program = """
import sys
from lmcache_internal.integrations.lmcache import install
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
try:
    install()
except ImportError as error:
    print(error)
"""
    assert run(program) == "LMCache is not installed: there is no module lmcache\n"
