from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from lmcache_internal.engine.embedded_mp import EmbeddedMPManager


def test_config_is_shown_with_its_secrets_masked(
    mp: EmbeddedMPManager, mp_client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"type": "resp", "username": "u", "password": "hunter2"}
    monkeypatch.setattr(mp.runtime, "adapter_settings", lambda _config: settings)
    response = mp_client.get("/config")
    assert response.text.startswith('{\n  "mp"')
    assert "hunter2" not in response.text
    assert '"username": "u"' in response.text
