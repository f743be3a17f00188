"""The gateway searches for the ranks again: new ones get a row, others leave, and numbers never name another rank."""

from __future__ import annotations

import random
import re
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from lmcache_internal.cli.outcome import Found, Outcome
from lmcache_internal.cli.pods.names import PodName
from lmcache_internal.cli.sources import Source
from lmcache_internal.cli.targets import Target, target_at
from lmcache_internal.cli.ui import listing
from lmcache_internal.cli.ui.ranks import Ranks
from lmcache_internal.cli.ui.search import Search
from tests.browser import Browser
from tests.cli.conftest import Fleet, fleets_in
from tests.support import eventually
from tests.ui.fleet_support import gateway_process, logged_in, searching, served
from tests.ui.support import see, shown


def write(path: Path, fleet: Fleet, *indices: int, labels: bool = True) -> None:
    """List ranks in a file of targets."""
    entries = [{"targets": [fleet.url(index)], "labels": {"index": str(index)} if labels else {}} for index in indices]
    path.write_text(yaml.safe_dump(entries))


def numbers(client: FlaskClient) -> dict[int, str]:
    return {row["number"]: row["address"] for row in client.get("/fleet/poll").get_json()["ranks"]}


@pytest.mark.parametrize("labels", [True, False])
def test_ranks_come_and_go_with_the_list(tmp_path: Path, ranks: Fleet, labels: bool) -> None:
    path = tmp_path / "targets.yaml"
    write(path, ranks, 0, 1, 2, labels=labels)
    gateway, client = searching(Source(listed=str(path)))
    assert numbers(client) == {index: ranks.url(index) for index in (0, 1, 2)}
    write(path, ranks, 2, 0, 4, labels=labels)
    gateway.search.once()
    assert numbers(client) == {2: ranks.url(2), 0: ranks.url(0), 4: ranks.url(4)}
    assert client.get("/rank/1/conf").status_code == 404
    assert client.get("/rank/4/conf").status_code == 200
    assert client.post("/fleet/conf/check", json={"values": {"a": 1}, "ranks": [1]}).status_code == 404
    found = client.get("/fleet/conf").get_json()
    assert (found["names"][0]["values"][0]["ranks"], found["failed"]) == ("0,2,4", [])
    write(path, ranks, 0, 1, labels=labels)
    gateway.search.once()
    assert numbers(client) == {0: ranks.url(0), 1: ranks.url(1)}


BROKEN = ["", "[]", "{", "5", "- targets: 5", "- {targets: [a], labels: {index: x}}", "- 'kubernetes://x'", "\0"]


@pytest.mark.parametrize("text", [*BROKEN, None])
def test_a_list_that_cannot_be_read_keeps_the_ranks_and_says_so(tmp_path: Path, ranks: Fleet, text: str | None) -> None:
    path = tmp_path / "targets.yaml"
    write(path, ranks, 0, 1)
    gateway, client = searching(Source(listed=str(path)))
    assert client.get("/fleet/poll").get_json()["problem"] is None
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    gateway.search.once()
    found = client.get("/fleet/poll").get_json()
    assert [row["number"] for row in found["ranks"]] == [0, 1]
    assert found["problem"].startswith("The list of ranks is from ")
    assert "\n" not in found["problem"]
    assert len(found["problem"]) < 1200
    write(path, ranks, 1)
    gateway.search.once()
    found = client.get("/fleet/poll").get_json()
    assert ([row["number"] for row in found["ranks"]], found["problem"]) == ([1], None)


def test_a_deployment_that_is_down_keeps_its_ranks(tmp_path: Path) -> None:
    with fleets_in(tmp_path) as start:
        fleet = start()
        config = yaml.safe_load(fleet.config.read_text())
        del config["internal_api_server_include_index_list"]
        fleet.config.write_text(yaml.safe_dump(config))
        gateway, client = searching(Source(config=fleet.config))
        assert list(numbers(client)) == [0, 1, 2, 3, 4]
    gateway.search.once()
    found = client.get("/fleet/poll").get_json()
    assert [row["number"] for row in found["ranks"]] == [0, 1, 2, 3, 4]
    assert "No server answers" in found["problem"]


def test_a_checked_change_is_not_applied_if_one_of_its_ranks_has_left(tmp_path: Path, ranks: Fleet) -> None:
    path = tmp_path / "targets.yaml"
    write(path, ranks, 0, 1)
    gateway, client = searching(Source(listed=str(path)))
    checked = client.post("/fleet/conf/check", json={"values": {"pin_timeout_sec": 42}}).get_json()
    write(path, ranks, 0)
    gateway.search.once()
    response = client.post("/fleet/apply", json={"id": checked["id"]})
    assert (response.status_code, "ranks 1" in response.get_json()["message"]) == (409, True)
    assert ranks.managers[0].config.pin_timeout_sec == 300


def test_a_rank_that_leaves_while_it_is_asked_costs_nothing(tmp_path: Path, ranks: Fleet) -> None:
    path = tmp_path / "targets.yaml"
    write(path, ranks, 0, 1)
    gateway, client = searching(Source(listed=str(path)))
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for listed in ([0], [0, 1], [1, 2]):
                write(path, ranks, *listed)
                gateway.search.once()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(5):
            assert client.get("/fleet/poll").status_code == 200
            assert client.get("/fleet/loglevels").status_code == 200
            assert client.get("/rank/1/lmc_version").status_code in (200, 404)
    finally:
        stop.set()
        thread.join()


def test_numbers_are_never_used_for_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "REMEMBERED", 3)
    random_numbers = random.Random(7)
    known = listing.Numbers()
    owner: dict[int, str] = {}
    for _ in range(300):
        chosen = random_numbers.sample(range(1, 21), random_numbers.randrange(1, 6))
        targets = [
            target_at(f"h:{port}", random_numbers.choice([None, port, random_numbers.randrange(5)])) for port in chosen
        ]
        known.add(targets)
        given = [known.of(target) for target in targets]
        assert len(set(given)) == len(targets)
        for target, number in zip(targets, given, strict=True):
            assert number is not None
            assert owner.setdefault(number, target.address) == target.address
    assert len(known._known) <= 3 + 5


def test_the_first_numbers_are_the_indices_or_the_positions() -> None:
    def first(*indices: int | None) -> list[int]:
        found = Ranks([target_at(f"h:{port}", index) for port, index in enumerate(indices, 1)], None)
        return [rank.number for rank in found.all]

    assert first(0, 2, 5) == [0, 2, 5]
    assert first(0, 1, 0, 1) == [0, 1, 2, 3]
    assert first(None, 1) == [0, 1]


def test_the_ranks_of_a_pod_that_does_not_answer_stay() -> None:
    pods = [PodName(None, "n", name) for name in "ab"]
    before = [Target(f"http://127.0.0.1:{port}", None, port - 6999, pod=pod) for pod in pods for port in (6999, 7000)]
    silent = Target("http://127.0.0.1:6999", None, None, by_address=True, pod=pods[0])
    found = Found([silent, *before[2:]], {silent: Outcome(silent, error="no answer")}, volatile=True)
    assert sorted(target.address for target in listing.merged(before, found)) == sorted(t.address for t in before)
    assert listing.merged(before, Found(before[2:])) == before[2:]


def test_a_server_that_does_not_answer_a_search_keeps_its_index_and_its_kind() -> None:
    before = [replace(target_at("h:1"), index=3), target_at("h:2", mp=True), target_at("h:3", 5)]
    silent = [target_at("h:1"), target_at("h:2"), target_at("h:3", 6)]
    assert [target.role for target in listing.merged(before, Found(silent))] == ["worker 2", "MP server", "worker 5"]


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_the_thread_follows_the_list_and_ends(tmp_path: Path, ranks: Fleet) -> None:
    path = tmp_path / "targets.yaml"
    write(path, ranks, 0)
    gateway, client = searching(Source(listed=str(path)))
    search = Search(gateway.fleet, gateway.ranks, 0.05)
    search.start()
    try:
        write(path, ranks, 0, 1)
        assert eventually(lambda: len(gateway.ranks.all) == 2)
        path.write_text("")
        assert eventually(lambda: search.problem is not None)
        write(path, ranks, 1)
        assert eventually(lambda: list(numbers(client)) == [1])
    finally:
        search.stop()
    assert "search for ranks" not in names()


def test_servers_that_are_named_one_by_one_are_not_searched(ranks: Fleet) -> None:
    gateway, _ = searching(Source(urls=[ranks.url(1)]))
    gateway.search.start()
    assert "search for ranks" not in names()
    gateway.search.stop()
    assert logged_in([ranks.url(1)]).get("/fleet/poll").get_json()["problem"] is None


def test_a_poll_never_waits_for_a_search(tmp_path: Path, ranks: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "targets.yaml"
    write(path, ranks, 1)
    gateway, client = searching(Source(listed=str(path)))
    client.get("/fleet/poll")
    entered, release = threading.Event(), threading.Event()

    def slow() -> Any:
        entered.set()
        release.wait(60)
        raise RuntimeError("unexpected\nfailure")

    monkeypatch.setattr(gateway.fleet, "search", slow)
    thread = threading.Thread(target=gateway.search.once)
    thread.start()
    try:
        assert entered.wait(60)
        began = time.monotonic()
        assert client.get("/fleet/poll").status_code == 200
        assert time.monotonic() - began < 30
    finally:
        release.set()
        thread.join()
    assert "unexpected failure" in client.get("/fleet/poll").get_json()["problem"]


def test_a_command_that_searches_ends_at_once(tmp_path: Path, ranks: Fleet) -> None:
    path = tmp_path / "targets.yaml"
    write(path, ranks, 1)
    with gateway_process("--targets", str(path)) as (process, _):
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert time.monotonic() - began < 15  # A search comes after 30 s.


def test_the_page_shows_what_the_list_says(browser: Browser, tmp_path: Path, ranks: Fleet) -> None:
    path = tmp_path / "targets.yaml"
    write(path, ranks, 1, 2)
    gateway, _ = searching(Source(listed=str(path)))
    with served(gateway) as link:
        browser.open("about:blank")
        browser.console()  # Of the tests before.
        browser.open(link)
        see(browser, "2 ok")
        browser.click("//input[@aria-label='Choose 1 worker 0']")
        see(browser, "Changes apply to 1 chosen rank (1).")
        write(path, ranks, 2, 3)
        gateway.search.once()
        assert eventually(lambda: "3 worker 2" in shown(browser) and "1 worker 0" not in shown(browser))
        see(browser, "Changes apply to 1 chosen rank (1; no longer listed: 1).")
        browser.run("location.hash = 'configuration'")
        browser.type("//label[contains(., 'Setting')]/input", "pin_timeout_sec")
        browser.type("//label[contains(., 'Value')]/input", "77")
        browser.click("//button[.='Check…']")
        see(browser, "There is no rank 1 here")
        path.write_text("")
        gateway.search.once()
        # In the time zone of the browser, with the date: a page may be open for days.
        listed = r"The list of ranks is from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\. "
        assert eventually(lambda: re.search(listed, shown(browser)) is not None), shown(browser)
        assert [line for line in browser.console() if "404" not in line] == []
