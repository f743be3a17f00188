"""`threads`: the stacks of a fleet, together, one by one, and over a while."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal.cli.outcome import Outcome
from lmcache_internal.cli.targets import Target
from lmcache_internal.cli.threads import folded
from tests.cli.conftest import DEAD, HANGING, Fleet


@pytest.fixture(autouse=True)
def twins() -> Iterator[None]:
    """Two threads that do the same; each server of the fleet, all in one process, shows them."""
    stopping = threading.Event()
    pair = [threading.Thread(target=stopping.wait, name=f"twin-{number}") for number in range(2)]
    for thread in pair:
        thread.start()
    yield
    stopping.set()
    for thread in pair:
        thread.join()


def test_a_name_that_no_thread_has_is_told(shared_fleet: Fleet) -> None:
    result = shared_fleet.run("threads", "--name", "nosuch")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No thread has 'nosuch' in its name.\n")


def test_identical_stacks_of_all_servers_are_shown_once(ailing: Fleet) -> None:
    result = ailing.run("threads", "--name", "twin", "--timeout", "4")
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[:4] == [
        "6 threads",
        "  scheduler: twin-0, twin-1",
        "  worker 0: twin-0, twin-1",
        "  worker 2: twin-0, twin-1",
    ]
    assert [line.rpartition(" in ")[2] for line in lines if " line " in line][-1] == "wait"
    assert result.stdout.count("threads\n") == 1
    assert f"worker {DEAD - 1} ({ailing.url(DEAD)}): cannot connect" in result.stderr
    assert f"worker {HANGING - 1} ({ailing.url(HANGING)}): no answer within 4 s" in result.stderr


def test_one_by_one(fleet: Fleet) -> None:
    result = fleet.run("threads", "--name", "twin", "--no-group", "--index", "0,1")
    assert result.exit_code == 0
    assert result.stdout.count("Thread: <Thread(twin-0") == 2
    assert f"== worker 0 ({fleet.url(1)})" in result.stdout


def test_a_profile_counts_samples(fleet: Fleet) -> None:
    result = fleet.run("threads", "--name", "twin", "--samples", "5", "--interval", "0.002", "--index", "1")
    assert sorted(line.split(";")[0] for line in result.stdout.splitlines()) == ["twin-0", "twin-1"]
    assert all(line.endswith(" 5") for line in result.stdout.splitlines())


def test_a_process_is_profiled_for_one_at_a_time(fleet: Fleet) -> None:
    result = fleet.run("threads", "--name", "twin", "--samples", "100", "--interval", "0.05", "--index", "0,1")
    assert result.exit_code == 1
    assert "HTTP 503: Cannot take 100 samples of the threads' stacks" in result.stderr  # Both are in this process.
    assert result.stdout.startswith(("scheduler;twin-", "worker 0;twin-"))


def test_profiles_of_several_servers_name_the_server_first() -> None:
    profiles = [
        Outcome(Target("http://a", index=0), Counter({"main;f (a.py:1)": 3, "main;g (b c.py:2)": 1})),
        Outcome(Target("http://b", index=1), Counter({"main;f (a.py:1)": 7})),
        Outcome(Target("http://c", index=2), error="down"),
    ]
    assert (
        folded(profiles) == "worker 0;main;f (a.py:1) 7\nscheduler;main;f (a.py:1) 3\nscheduler;main;g (b c.py:2) 1\n"
    )
    assert folded(profiles[1:2]) == "main;f (a.py:1) 7\n"


def test_a_profile_goes_to_a_file(fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "profile.folded"
    result = fleet.run("threads", "--samples", "2", "--index", "1", "-o", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "MainThread;" in path.read_text()
    missing = fleet.run("threads", "--samples", "2", "--index", "1", "-o", str(tmp_path / "no" / "file"))
    assert missing.exit_code == 1
    assert "Cannot write" in missing.stderr


def test_json(fleet: Fleet) -> None:
    (grouped,) = json.loads(fleet.run("threads", "--name", "twin", "--index", "1", "--json").stdout)
    assert grouped["data"]["groups"][0]["names"] == ["twin-0", "twin-1"]
    (profile,) = json.loads(fleet.run("threads", "--samples", "3", "--index", "1", "--json").stdout)
    assert profile["data"]["samples"] == 3


@pytest.mark.parametrize("arguments", [("-o", "x"), ("--samples", "0"), ("--samples", "2", "--interval", "2")])
def test_options_that_make_no_sense_are_usage_errors(fleet: Fleet, arguments: tuple[str, ...]) -> None:
    assert fleet.run("threads", "--index", "1", *arguments).exit_code == 2


def test_a_profile_that_takes_too_long_is_refused_with_the_limit(fleet: Fleet) -> None:
    result = fleet.run("threads", "--index", "1", "--samples", "1000", "--interval", "1")
    assert result.exit_code == 1
    assert "the limit is 30 s" in result.stderr
