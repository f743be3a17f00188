"""Where the ranks of a deployment listen, told from the settings alone."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from lmcache_internal.errors import ConfigError
from lmcache_internal.settings import Settings
from lmcache_internal.settings.address import Address, address_of, ranks_of, scrape_targets
from tests.support import make_manager

ENABLED = Settings(enabled=True, port_start=7000)


def test_the_scheduler_and_every_worker_are_ranks() -> None:
    ranks = ranks_of(ENABLED, world_size=3)
    assert [(rank.index, rank.role, rank.authority) for rank in ranks] == [
        (0, "scheduler", "127.0.0.1:7000"),
        (1, "worker", "127.0.0.1:7001"),
        (2, "worker", "127.0.0.1:7002"),
        (3, "worker", "127.0.0.1:7003"),
    ]


@pytest.mark.parametrize(
    ("values", "index"), [({"role": "scheduler"}, 0), ({"worker_id": 0}, 1), ({"worker_id": 6}, 7)]
)
def test_an_engine_has_the_address_of_its_worker(values: dict[str, Any], index: int) -> None:
    with make_manager(**values) as manager:
        address = address_of(manager, ENABLED)
    assert (address.index, address.port) == (index, 7000 + index)


def test_what_does_not_serve_is_no_rank() -> None:
    # 9 is an index of another machine's.
    some = Settings(enabled=True, include_indices=(2, 0, 9))
    assert [rank.index for rank in ranks_of(some, world_size=3)] == [0, 2]
    assert ranks_of(Settings(enabled=False), world_size=3) == []


def test_a_port_that_a_rank_cannot_have_is_named() -> None:
    with pytest.raises(ConfigError, match="65533 \\+ index 3 = 65536 is not a TCP port"):
        ranks_of(Settings(enabled=True, port_start=65533), world_size=3)


def test_prometheus_scrapes_the_public_listeners_where_there_are_any() -> None:
    public = Settings(enabled=True, public_host="10.0.0.7", public_port_start=9000)
    assert [rank.url for rank in scrape_targets(public, world_size=1)] == [
        "http://10.0.0.7:9000",
        "http://10.0.0.7:9001",
    ]
    assert scrape_targets(ENABLED, world_size=2) == ranks_of(ENABLED, world_size=2)


def test_prometheus_scrapes_no_unix_socket() -> None:
    prefix = "/run/lmcache"
    assert scrape_targets(Settings(enabled=True, socket_path_prefix=prefix), world_size=2) == []
    beside = Settings(enabled=True, socket_path_prefix=prefix, public_port_start=9000)
    assert [rank.port for rank in scrape_targets(beside, world_size=2)] == [9000, 9001, 9002]


@pytest.mark.parametrize(
    ("address", "is_private"),
    [
        (Address(0, "127.0.0.1", 7000), True),
        (Address(0, "127.8.8.8", 7000), True),
        (Address(0, "::1", 7000), True),
        (Address(0, "localhost", 7000), True),
        (Address(0, "0.0.0.0", 7000, "/run/lmcache_7000"), True),
        (Address(0, "0.0.0.0", 7000), False),
        (Address(0, "::", 7000), False),
        (Address(0, "10.0.0.7", 7000), False),
        (Address(0, "gpu-1.example", 7000), False),
        (Address(0, "localhost.example", 7000), False),
        (Address(0, "", 7000), False),
    ],
)
def test_loopback_and_unix_sockets_are_private(address: Address, is_private: bool) -> None:
    assert address.is_private is is_private


@pytest.mark.parametrize(
    ("bound", "name", "authority"),
    [
        ("0.0.0.0", "gpu-1", "gpu-1:7000"),
        ("::", "10.0.0.7", "10.0.0.7:7000"),
        ("::", "fd00::7", "[fd00::7]:7000"),
        ("0.0.0.0", "", "0.0.0.0:7000"),
        ("127.0.0.1", "gpu-1", "127.0.0.1:7000"),
        ("::1", "localhost", "[::1]:7000"),
    ],
)
def test_where_all_addresses_are_bound_the_clients_name_for_the_host_counts(
    bound: str, name: str, authority: str
) -> None:
    assert Address(0, bound, 7000).reached_as(name).authority == authority


def test_a_curl_line_can_be_pasted_whatever_the_socket_is_called() -> None:
    address = Address(1, "127.0.0.1", 7000, "/tmp/it's $HOME/socket_7000")
    assert shlex.split(address.curl("/conf")) == ["curl", "--unix-socket", address.socket_path, "http://localhost/conf"]
    assert Address(1, "127.0.0.1", 7000).curl("/conf") == "curl http://127.0.0.1:7000/conf"
