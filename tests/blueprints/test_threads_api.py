"""GET /threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient


@pytest.fixture
def sleeper() -> Iterator[threading.Thread]:
    wake = threading.Event()
    thread = threading.Thread(target=wake.wait, name="Sleeper-7")
    thread.start()
    yield thread
    wake.set()
    thread.join()


def test_every_thread_has_a_block_with_its_stack(client: FlaskClient, sleeper: threading.Thread) -> None:
    response = client.get("/threads")
    assert response.content_type == "text/plain; charset=utf-8"
    assert f"Thread: {sleeper!r}\nStack trace:\n  File " in response.text
    assert response.text.endswith(f"\n\n=== Thread Summary ===\nTotal threads: {threading.active_count()}\n")


@pytest.mark.parametrize("query", ["name=sleePER", "thread_id={ident}", "name=sleeper&thread_id={ident}"])
def test_filters_find_one_thread(client: FlaskClient, sleeper: threading.Thread, query: str) -> None:
    text = client.get("/threads?" + query.format(ident=sleeper.ident)).text
    assert "Sleeper-7" in text
    assert text.endswith("Total threads: 1\n")


@pytest.mark.parametrize("query", ["name=nobody", "thread_id=1"])
def test_filters_may_find_none(client: FlaskClient, query: str) -> None:
    assert client.get(f"/threads?{query}").text == "\n\n=== Thread Summary ===\nTotal threads: 0\n"


@pytest.mark.parametrize(("query", "name"), [("thread_id=abc", "thread_id"), (f"name={'x' * 257}", "name")])
def test_bad_filters_are_400s_that_name_the_parameter(client: FlaskClient, query: str, name: str) -> None:
    response = client.get(f"/threads?{query}")
    assert response.status_code == 400
    assert response.get_json()["message"].startswith(f"Invalid value for {name}: ")
