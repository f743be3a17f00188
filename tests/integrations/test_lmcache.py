"""LMCache's server is replaced when it is imported, or nothing is served; with packages in the layout of LMCache."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmcache_internal.engine import lmcache_names
from tests.integrations.lmcache_layout import HOMES, lay_out, run, start


@pytest.mark.parametrize("value", ["lmcache_internal", "typo", ""])
def test_plugin_imports_no_dependencies(value: str) -> None:
    program = """
import sys
from lmcache_internal.integrations.lmcache import vllm_plugin
vllm_plugin()
print(*sorted({"lmcache", "numba", "torch", "vllm", "flask", "waitress", "werkzeug"} & {*sys.modules}))
"""
    assert run(program, LMCACHE_INTERNAL_API_SERVER=value) == "\n"


@pytest.mark.parametrize(("home", "value"), list(zip(HOMES, ["lmcache_internal", "lmcache_internal?"], strict=True)))
def test_server_is_replaced_when_it_is_imported(tmp_path: Path, home: str, value: str) -> None:
    output = start(lay_out(tmp_path, home), tmp_path, value)
    assert "original" not in output
    assert "serves True" in output
    assert output.count("is replaced by lmcache_internal") == 1


def test_homes_match_the_supported_versions() -> None:
    assert sorted(lmcache_names.modules_of("InternalAPIServer")) == sorted(HOMES)


@pytest.mark.parametrize(("home", "value"), list(zip(HOMES, ["", "lmcache"], strict=True)))
def test_server_is_not_replaced_without_the_variable(tmp_path: Path, home: str, value: str) -> None:
    output = start(lay_out(tmp_path, home), tmp_path, value)
    assert output == "original created\noriginal started\nserves True\nthe engine continues\n"


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


@pytest.mark.parametrize("first", [PLUGIN, ""])
def test_server_is_replaced_with_other_import_hooks_present(tmp_path: Path, first: str) -> None:
    before = f"{first}\n{ANOTHER_HOOK}sys.meta_path.insert(0, AnotherHook())\n"
    output = start(lay_out(tmp_path, HOMES[0]), tmp_path, "lmcache_internal", before=before)
    assert "seen by another hook" in output
    assert "original" not in output
    assert "serves True" in output


@pytest.mark.parametrize("home", HOMES)
def test_server_that_is_already_imported_is_replaced(tmp_path: Path, home: str) -> None:
    factory = lay_out(tmp_path, home)
    output = start(factory, tmp_path, "lmcache_internal", before=f"import {factory}\n")
    assert "original" not in output
    assert "serves True" in output


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
    output = start(lay_out(tmp_path, home, class_=class_), tmp_path, "lmcache_internal")
    assert "original" not in output
    assert "serves False" in output
    (error,) = [line for line in output.splitlines() if "ERROR" in line]
    assert home in error
    assert "install a newer lmcache-internal" in error


@pytest.mark.parametrize("layout", UNKNOWN)
def test_server_of_an_unknown_version_is_served_with_fallback(tmp_path: Path, layout: str) -> None:
    home, class_ = UNKNOWN[layout]
    output = start(lay_out(tmp_path, home, class_=class_), tmp_path, "lmcache_internal?")
    assert "original created\noriginal started\nserves True\n" in output
    assert output.count("LMCache ERROR") == 1


def test_known_module_without_a_server_is_logged(tmp_path: Path) -> None:
    output = start(
        lay_out(tmp_path, HOMES[1], source="def InternalAPIServer(manager):\n    class S:\n        enable = False\n"
                "        start = stop = lambda self: None\n    return S()\n"),
        tmp_path,
        "lmcache_internal",
    )  # fmt: skip
    assert output.count("has no InternalAPIServer at a known place") == 1


@pytest.mark.parametrize(("home", "value"), list(zip(HOMES, ["lmcache_internal?", "lmcache_internal"], strict=True)))
def test_invalid_setting_is_logged_and_does_not_stop_the_engine(tmp_path: Path, home: str, value: str) -> None:
    output = start(lay_out(tmp_path, home), tmp_path, value, extra='{"internal_api_server_script_timeout": "soon"}')
    (error,) = [line for line in output.splitlines() if "ERROR" in line]
    assert "expected a positive number, got 'soon'" in error
    assert "Traceback" not in output
    if value.endswith("?"):
        assert "original created\noriginal started\nserves True\n" in output
    else:
        assert "original" not in output
        assert "Nothing is served" in error
        assert "serves False" in output


@pytest.mark.parametrize("value", ["lmcache_internal", "lmcache_internal?"])
def test_missing_library_is_logged_and_does_not_stop_the_engine(tmp_path: Path, value: str) -> None:
    without_flask = "import sys; sys.modules['flask'] = None\n"
    output = start(lay_out(tmp_path, HOMES[0]), tmp_path, value, before=without_flask)
    (error,) = [line for line in output.splitlines() if "ERROR" in line]
    assert "flask" in error
    assert ("original created" in output) is value.endswith("?")


@pytest.mark.parametrize("value", ["lmcache-internal", "lmcache_internal "])
def test_unknown_value_serves_nothing(tmp_path: Path, value: str) -> None:
    output = start(lay_out(tmp_path, HOMES[1]), tmp_path, value)
    assert "original" not in output
    (error,) = [line for line in output.splitlines() if "ERROR" in line]
    assert f"LMCACHE_INTERNAL_API_SERVER={value!r}: expected lmcache_internal, lmcache_internal? or lmcache" in error


def test_constructor_with_other_arguments_does_not_stop_the_engine(tmp_path: Path) -> None:
    factory = lay_out(tmp_path, HOMES[1])
    path = tmp_path.joinpath(*factory.split(".")).with_suffix(".py")
    path.write_text(path.read_text().replace("InternalAPIServer(manager)", "InternalAPIServer(manager, role='worker')"))
    output = start(factory, tmp_path, "lmcache_internal")
    assert "original" not in output
    assert "unexpected keyword argument 'role'" in output
    assert "serves False" in output


def test_import_hook_does_not_change_modules(tmp_path: Path) -> None:
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


def test_install_raises_if_lmcache_is_missing() -> None:
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
