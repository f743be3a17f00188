"""GET /lmc_version, /commit_id, /version."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from lmcache_internal import __version__


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/lmc_version", f"{__version__}+embedded"),
        ("/commit_id", "embedded"),
        ("/version", f"{__version__}+embedded-embedded"),
    ],
)
def test_version_is_a_json_string_with_embedded(client: FlaskClient, path: str, value: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.mimetype, response.get_json()) == (200, "application/json", value)
