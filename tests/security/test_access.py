"""Each route requires a role, and authorization enforces it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcache_internal import create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.roles import Role
from lmcache_internal.security.access import is_write, required_role
from lmcache_internal.security.gate import BODY_WITHHELD_KEY
from lmcache_internal.settings.guarded import guarded_reason, not_mutable
from tests.security.support import bearer, prefixed, token_file
from tests.support import examples, make_manager

# This table is written by hand, so that each new route and each changed role is a deliberate decision.
REQUIRED_ROLES = {
    ("GET", "/"): "viewer",
    ("GET", "/admin/drain"): "viewer",
    ("POST", "/admin/drain"): "operator",
    ("POST", "/admin/undrain"): "operator",
    ("GET", "/audit"): "admin",
    ("GET", "/backends"): "viewer",
    ("POST", "/backends"): "admin",
    ("DELETE", "/backends/<name>"): "admin",
    ("POST", "/backends/<name>/recreate"): "admin",
    ("PUT", "/bypass/add"): "operator",
    ("GET", "/bypass/list"): "viewer",
    ("PUT", "/bypass/remove"): "operator",
    ("DELETE", "/cache/clear"): "operator",
    ("POST", "/cache/explain"): "viewer",
    ("GET", "/cache/kvcache/check"): "viewer",
    ("GET", "/cache/kvcache/info"): "viewer",
    ("POST", "/cache/kvcache/record_slot"): "operator",
    ("POST", "/cache/load-fs-chunks"): "admin",
    ("POST", "/cache/retrieve"): "operator",
    ("POST", "/cache/store"): "operator",
    ("POST", "/chunk_statistics/reset"): "operator",
    ("POST", "/chunk_statistics/start"): "operator",
    ("GET", "/chunk_statistics/status"): "viewer",
    ("POST", "/chunk_statistics/stop"): "operator",
    ("GET", "/commit_id"): "viewer",
    ("GET", "/conf"): "viewer",
    ("POST", "/conf"): "admin",
    ("GET", "/conf/history"): "viewer",
    ("POST", "/conf/rollback"): "admin",
    ("GET", "/controller/key-stats"): "viewer",
    ("GET", "/controller/workers"): "viewer",
    ("GET", "/doctor"): "viewer",
    ("GET", "/env"): "admin",
    ("GET", "/docs"): "viewer",
    ("GET", "/docs/<name>"): "public",
    ("PUT", "/freeze/disable"): "operator",
    ("PUT", "/freeze/enable"): "operator",
    ("GET", "/freeze/status"): "viewer",
    ("GET", "/healthz"): "public",
    ("GET", "/healthz/<check>"): "public",
    ("PUT", "/hot_cache/disable"): "operator",
    ("PUT", "/hot_cache/enable"): "operator",
    ("GET", "/hot_cache/status"): "viewer",
    ("GET", "/inference_info"): "viewer",
    ("GET", "/inference_version"): "viewer",
    ("GET", "/livez"): "public",
    ("GET", "/livez/<check>"): "public",
    ("GET", "/lmc_version"): "viewer",
    ("GET", "/loglevel"): "viewer",
    ("PUT", "/loglevel"): "operator",
    ("POST", "/lookup/close"): "admin",
    ("POST", "/lookup/create"): "admin",
    ("GET", "/lookup/info"): "viewer",
    ("POST", "/lookup/recreate"): "admin",
    ("GET", "/meta"): "viewer",
    ("GET", "/metrics"): "public",
    ("POST", "/metrics/reset"): "operator",
    ("GET", "/openapi.json"): "viewer",
    ("GET", "/periodic-threads"): "viewer",
    ("GET", "/periodic-threads-health"): "viewer",
    ("GET", "/periodic-threads/<name>"): "viewer",
    ("GET", "/readyz"): "public",
    ("GET", "/readyz/<check>"): "public",
    ("POST", "/run_script"): "admin",
    ("GET", "/sd/prometheus"): "public",
    ("GET", "/threads"): "viewer",
    ("GET", "/ui"): "public",
    ("GET", "/ui/<path:name>"): "public",
    ("GET", "/ui/requests"): "viewer",
    ("GET", "/ui/session"): "public",
    ("GET", "/version"): "viewer",
}

PLAIN = """
from flask import Blueprint

router = Blueprint("plain", __name__)


@router.route("/plain", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
def plain():
    return "reached"


@router.route("/metrics/of/mine")
def below_a_public_path():
    return "reached"
"""


def routes(app: InternalApp) -> dict[tuple[str, str], str]:
    return {
        (method, rule.rule): str(required_role(app.view_functions[rule.endpoint], method, {}))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def path_of(rule: str) -> str:
    return re.sub(r"<.+?>", "server", rule)


class Callers:
    """An app with a token for each role."""

    def __init__(self, directory: Path, **values: Any) -> None:
        names = {role: role for role in ("viewer", "operator", "admin")}
        path, self.tokens = token_file(directory, **names)
        self.manager = make_manager(extra_config=prefixed({"tokens_file": str(path)}), **values)
        (directory / "plain_api.py").write_text(PLAIN)
        self.app = create_app(self.manager, [directory])
        self.client = self.app.test_client()

    def status(self, role: str, method: str, path: str, **options: Any) -> int:
        headers = {} if role == "public" else bearer(self.tokens[role])
        return self.client.open(path, method=method, headers=headers, **options).status_code


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    made = Callers(tmp_path_factory.mktemp("shared"))
    with made.manager:
        yield made


@pytest.fixture
def callers(tmp_path: Path) -> Iterator[Callers]:
    made = Callers(tmp_path)
    with made.manager:
        yield made


def test_every_route_requires_the_listed_role(app: InternalApp) -> None:
    assert routes(app) == REQUIRED_ROLES


def test_plugin_routes_are_not_in_the_list(callers: Callers) -> None:
    new = routes(callers.app).keys() - REQUIRED_ROLES.keys()
    assert {rule for _, rule in new} == {"/plain", "/metrics/of/mine"}


@pytest.mark.parametrize(("route", "role"), REQUIRED_ROLES.items())
def test_route_refuses_lower_roles_and_admits_the_others(shared: Callers, route: tuple[str, str], role: str) -> None:
    method, path = route[0], path_of(route[1])
    below = [str(lower) for lower in Role if lower < Role.named(role)]
    for caller in below:
        assert shared.status(caller, method, path) == (401 if caller == "public" else 403), caller
    for caller in {"public", "viewer", "operator", "admin"} - set(below):
        # No endpoint accepts this body, so the endpoints themselves do nothing.
        assert shared.status(caller, method, path, data=b"\xff") not in (401, 403), caller


def test_undeclared_route_requires_viewer_to_read_and_admin_to_write(callers: Callers) -> None:
    assert callers.status("public", "GET", "/plain") == 401
    assert callers.status("viewer", "GET", "/plain") == 200
    assert callers.status("viewer", "HEAD", "/plain") == 200
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert callers.status("operator", method, "/plain") == 403
        assert callers.status("admin", method, "/plain") == 200


def test_path_below_a_public_path_is_not_public(callers: Callers) -> None:
    assert callers.status("public", "GET", "/metrics") == 200
    assert callers.status("public", "GET", "/metrics/of/mine") == 401


@pytest.mark.parametrize(
    "path", ["/env/", "/%65nv", "/env?x=/metrics", "/env#/metrics", "/env;/metrics", "/metrics/../env"]
)
def test_spelling_of_a_path_does_not_bypass_authorization(shared: Callers, path: str) -> None:
    assert shared.status("viewer", "GET", path) in (403, 404)
    assert shared.status("public", "GET", path) in (401, 404)


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_headers_and_arguments_do_not_override_the_method(callers: Callers, header: str) -> None:
    headers = {header: "GET"}
    assert callers.client.post("/conf?_method=GET", headers=headers, data={"_method": "GET"}).status_code == 401
    admin = headers | bearer(callers.tokens["viewer"])
    assert callers.client.post("/conf", headers=admin, json={"min_retrieve_tokens": 7}).status_code == 403
    assert callers.manager.config.min_retrieve_tokens == 0


def test_head_and_options_require_the_same_role_as_get(callers: Callers) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        assert callers.status("operator", method, "/env") == 403
        assert callers.status("admin", method, "/env") == 200


def test_options_changes_nothing_and_sends_no_cors_headers(callers: Callers) -> None:
    client = callers.client
    response = client.options("/conf", headers=bearer(callers.tokens["admin"]), json={"min_retrieve_tokens": 7})
    assert response.status_code == 200
    assert "access-control" not in str(response.headers).lower()
    assert callers.manager.config.min_retrieve_tokens == 0


def test_roles_have_names() -> None:
    assert [str(role) for role in Role] == ["public", "viewer", "operator", "admin"]
    assert Role.named("Admin") is Role.ADMIN
    with pytest.raises(ValueError, match="one of public, viewer, operator, admin, got 'root'"):
        Role.named("root")


def view() -> None:
    pass


def test_write_parameter_requires_at_least_operator() -> None:
    view.write_parameter = "level"  # type: ignore[attr-defined]  # As @operation does.
    assert not is_write(view, "GET", {"level": [""], "other": ["x"]})
    assert is_write(view, "GET", {"level": ["", "x"]})
    for declared, required in [(None, Role.OPERATOR), (Role.PUBLIC, Role.OPERATOR), (Role.ADMIN, Role.ADMIN)]:
        view.access = declared  # type: ignore[attr-defined]
        assert required_role(view, "GET", {"level": ["x"]}) is required
        assert required_role(view, "HEAD", {"level": ["x"]}) is required


def test_max_access_limits_tokens(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    extra = prefixed({"tokens_file": str(path), "max_access": "viewer"})
    with make_manager(extra_config=extra) as manager:
        client = create_app(manager).test_client()
        assert client.get("/conf", headers=bearer(tokens["boss"])).status_code == 200
        response = client.post("/conf", headers=bearer(tokens["boss"]), json={"min_retrieve_tokens": 7})
        assert (response.status_code, manager.config.min_retrieve_tokens) == (403, 0)
        assert "Requires role admin; this token (boss) has role viewer" in response.get_json()["message"]


def test_max_access_limits_local_callers() -> None:
    with make_manager(extra_config=prefixed({"max_access": "viewer"})) as manager:
        client = create_app(manager).test_client()
        assert client.get("/conf").status_code == 200
        assert client.get("/env").status_code == 403
        assert client.put("/freeze/enable").status_code == 403
        assert client.get("/loglevel?logger_name=x&level=DEBUG").status_code == 403


@pytest.mark.parametrize(
    "values",
    [
        {"run_script_api_enabled": True},
        {"script_allowed_imports": ["os"]},
        {"internal_api_server_host": "0.0.0.0"},
        {"internal_api_server_enabled": False},
        {"extra_config": {"internal_api_server_max_access": "admin"}},
        {"extra_config": {"internal_api_server_tokens_file": "/tmp/mine.yaml"}},
        {"extra_config": {"internal_api_server_trust_loopback": True}},
        {"extra_config": {"internal_api_server_allowed_hosts": ["evil.example"]}},
        {"extra_config": '{"internal_api_server_allowed_hosts": "evil.example"}'},
        {"extra_config": {"internal_api_server_audit_file": "/dev/null"}},
        {"extra_config": {"internal_api_server_a_later_setting": 1}},
        {"extra_config": {"run_script_api_enabled": True}},
        {"extra_config": {"script_allowed_imports": ["os"]}},
        {"extra_config": {"a": [{"b": {"run_script_api_enabled": True}}]}},
    ],
)
def test_conf_refuses_guarded_settings(client: FlaskClient, values: dict[str, Any]) -> None:
    before = client.get("/conf").text
    response = client.post("/conf", json=values)
    assert response.status_code == 400
    assert next(iter(response.get_json()["errors"].values())).startswith("Config is not mutable at runtime")
    assert client.get("/conf").text == before


@pytest.mark.parametrize(
    "name",
    ["internal_api_server_host", "internal_api_server_anything", "run_script_api_enabled", "script_allowed_imports"],
)
def test_guarded_settings_are_refused_for_any_config(client: FlaskClient, name: str) -> None:
    # A future version of LMCache might declare them mutable.
    config = client.application.state.lmcache_adapter.config  # type: ignore[attr-defined]
    assert guarded_reason(name, "x", config) == not_mutable()
    assert guarded_reason("min_retrieve_tokens", 7, config) is None


@pytest.mark.parametrize("value", [None, {}, ""])
def test_conf_does_not_remove_a_guarded_setting(value: Any) -> None:
    with make_manager(extra_config=prefixed({"allowed_hosts": ["a.example"]})) as manager:
        client = create_app(manager).test_client()
        assert client.post("/conf", json={"extra_config": value}).status_code == 400
        assert manager.config.extra_config == prefixed({"allowed_hosts": ["a.example"]})


GUARDED = st.sampled_from(["run_script_api_enabled", "script_allowed_imports", "internal_api_server_max_access"])
PLAIN_KEYS = st.text(max_size=5).filter(lambda name: not name.startswith("internal_api_server_"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN_KEYS | GUARDED, inner, max_size=3),
)
EXTRA = st.dictionaries(PLAIN_KEYS | GUARDED, VALUES, max_size=3)


def guards_of(value: Any) -> list[Any]:
    """Return the guarded settings in `value` with their places, by another algorithm than the code under test."""
    if isinstance(value, dict):
        return [
            (key, inner if key.startswith("internal_api") or key in ("run_script_api_enabled", "script_allowed_imports")
             else below)
            for key, inner in sorted(value.items())
            if (below := guards_of(inner))
            or key.startswith("internal_api") or key in ("run_script_api_enabled", "script_allowed_imports")
        ]  # fmt: skip
    if isinstance(value, list):
        return [(index, below) for index, inner in enumerate(value) if (below := guards_of(inner))]
    return []


@settings(max_examples=examples(100))
@given(EXTRA, EXTRA)
def test_extra_config_with_a_changed_guarded_setting_is_refused_at_any_depth(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    config = SimpleNamespace(extra_config=before)
    reason = guarded_reason("extra_config", after, config)
    assert (reason is None) == (guards_of(before) == guards_of(after))
    assert guarded_reason("extra_config", before, config) is None


def test_guarded_setting_is_found_in_very_deep_data() -> None:
    deep: Any = {"run_script_api_enabled": True}
    for _ in range(5000):
        deep = {"a": [deep]}
    assert guarded_reason("extra_config", deep, SimpleNamespace(extra_config={}))


def test_a_request_without_its_body_is_refused_although_the_caller_has_access_meanwhile(client: FlaskClient) -> None:
    response = client.post("/conf", json={}, environ_overrides={BODY_WITHHELD_KEY: True})
    assert response.status_code == 403
    assert "did not read the body" in response.get_json()["message"]
    assert client.post("/conf", json={}, environ_overrides={BODY_WITHHELD_KEY: False}).status_code != 403
