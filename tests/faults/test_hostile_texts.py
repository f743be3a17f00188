"""A hostile text takes at most linear time, wherever in a request a client puts it."""

from __future__ import annotations

from functools import partial

import pytest

from lmcache_internal.app import InternalApp
from tests.linear import ALPHABETS, is_linear, repeated
from tests.places import Place, places

LENGTH = 16_384
"""Percent-encoded, it is about as long as the largest head that the server accepts."""


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_every_part_of_a_request_takes_linear_time(app: InternalApp, alphabet: str) -> None:
    client = app.test_client()
    make = repeated(ALPHABETS[alphabet])

    def send(place: Place, text: str) -> object:
        return client.open(**place.request(text))

    slow = [place.name for place in places(app) if not is_linear(partial(send, place), make, LENGTH)]
    assert slow == []
