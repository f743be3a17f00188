from __future__ import annotations

from flask.testing import FlaskClient

from lmcache_internal.engine.embedded_mp import EmbeddedMPManager


def test_config_is_shown_with_its_secrets_masked(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    mp.runtime.configs()["storage_manager"]["l2_adapter_config"]["adapters"].append(
        {"type": "resp", "username": "u", "password": "hunter2"}
    )
    response = mp_client.get("/config")
    assert response.text.startswith('{\n  "mp"')
    assert "hunter2" not in response.text
    assert '"username": "u"' in response.text


def test_adapters_are_listed_the_primary_one_first(mp_client: FlaskClient) -> None:
    expected = {"index": 0, "type_name": "fs", "tier": "l2", "primary": True, "reconfigurable": False}
    assert mp_client.get("/config/adapters").json == {"adapters": [expected]}
