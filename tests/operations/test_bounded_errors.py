"""Errors and the audit log truncate a client's text."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient

from lmcache_internal.app import InternalApp
from lmcache_internal.security.audit import MAX_DETAILS
from tests.places import places
from tests.security.support import audit_of

LONG = 6_000
"""Bytes of a text, which the client encodes and decodes again: more than any response may have."""
LIMIT = 4096


@pytest.mark.parametrize("letter", ["x", "9", "é", "x,"])
def test_error_truncates_long_text(client: FlaskClient, app: InternalApp, letter: str) -> None:
    statuses, too_long = set(), {}
    for place in places(app):
        response = client.open(**place.request(letter * (LONG // len(letter.encode()))))
        statuses.add(response.status_code)
        # A list of many invalid keys has its own limit.
        if response.status_code >= 400 and len(response.data) > LIMIT and not place.name.endswith(" keys"):
            too_long[place.name] = len(response.data)
    assert too_long == {}
    assert statuses >= {400, 403, 404, 405}
    assert 500 not in statuses
    lengths = {entry["path"]: len(json.dumps(entry, ensure_ascii=False)) for entry in audit_of(app)}
    assert max(lengths.values()) < LIMIT + MAX_DETAILS
    assert [path for path, length in lengths.items() if length > 2 * LIMIT and path != "/conf"] == []


def test_error_lists_at_most_100_keys(client: FlaskClient) -> None:
    response = client.post("/conf", json={f"key{number}": 1 for number in range(5000)})
    assert response.status_code == 400
    errors = response.get_json()["errors"]
    assert len(errors) == 101
    assert errors.pop("…") == "4900 more"
    assert set(errors.values()) == {"Unknown config"}
