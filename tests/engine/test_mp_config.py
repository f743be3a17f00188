from __future__ import annotations

from pathlib import Path

import pytest

from lmcache_internal.engine.mp.config import MPConfig
from lmcache_internal.errors import ConfigError
from lmcache_internal.settings import Settings


def test_a_file_sets_what_the_server_reads(tmp_path: Path) -> None:
    file = tmp_path / "internal.yaml"
    file.write_text(
        "internal_api_server_socket_path_prefix: /run/x\n"
        "extra_config: {internal_api_server_call_timeout: 5}\n"
        "run_script_api_enabled: true\n"
        "script_allowed_imports: [gc]\n"
    )
    config = MPConfig.read("0.0.0.0", 8080, file)
    settings = Settings.of(config)
    assert (settings.host, settings.port_start, settings.enabled) == ("0.0.0.0", 8080, True)
    assert (settings.socket_path_prefix, settings.call_timeout) == ("/run/x", 5.0)
    assert (config.run_script_api_enabled, config.script_allowed_imports) == (True, ["gc"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("internal_api_server_port_start: 7000", "the address is set by --http-port"),
        ("internal_api_server_host: 0.0.0.0", "the address is set by --http-host"),
        ("internal_api_server_token_file: /x", "unknown key in MP mode"),
        ("[1]", "internal.yaml"),
    ],
)
def test_a_key_that_would_have_no_effect_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "internal.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        MPConfig.read("127.0.0.1", 8080, file)
