"""GET /cache/kvcache/check, GET /cache/kvcache/info and POST /cache/kvcache/record_slot."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from tests.support import make_manager

LAYERS = ["model.layers.0", "model.layers.1"]
FORMAT = "slot_mapping must be comma-separated integers or ranges like [start,end]: "


def check(client: FlaskClient, slots: str, chunk_size: object = 16, **options: object) -> Any:
    query = {"slot_mapping": slots, "chunk_size": chunk_size, **options}
    response = client.get("/cache/kvcache/check", query_string=query)
    assert response.status_code == 200, response.text
    return response.get_json()


def refusal(client: FlaskClient, query: dict[str, object]) -> tuple[int, str, str]:
    response = client.get("/cache/kvcache/check", query_string=query)
    assert response.content_type == "application/json"
    return response.status_code, response.get_json()["error"], response.get_json()["message"]


@pytest.fixture(scope="module")
def reading() -> Iterator[FlaskClient]:
    """A client for read-only requests."""
    with make_manager() as manager:
        yield create_app(manager).test_client()


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


class TestCheck:
    def test_layer_checksum_is_md5_of_keys_then_values(self, client: FlaskClient, manager: EmbeddedManager) -> None:
        body = check(client, "[16,47]", layerwise=True)
        assert body == {
            "status": "success",
            "slot_mapping_ranges": [[16, 47]],
            "chunk_size": 16,
            "num_chunks": 2,
            "chunk_checksums": {
                layer: [md5(manager.kv_caches[layer].read(start, 16)) for start in (16, 32)] for layer in LAYERS
            },
            "layerwise": True,
        }

    def test_overall_checksum_is_md5_of_layer_hex_digests(self, client: FlaskClient, manager: EmbeddedManager) -> None:
        digests = [md5(manager.kv_caches[layer].read(0, 16)) for layer in LAYERS]
        body = check(client, "[0,15]")
        assert body["chunk_checksums"] == [md5("".join(digests).encode())]
        assert body["layerwise"] is False

    def test_response_is_indented_json(self, reading: FlaskClient) -> None:
        response = reading.get("/cache/kvcache/check?slot_mapping=0&chunk_size=100")
        assert response.content_type == "application/json"
        assert response.text.startswith('{\n  "status": "success",\n  "slot_mapping_ranges": [\n    0\n  ],\n')

    def test_numbers_and_inclusive_ranges_can_mix(self, reading: FlaskClient) -> None:
        body = check(reading, "1,2,3,[9,12],17", 4)
        assert (body["slot_mapping_ranges"], body["num_chunks"]) == ([[1, 3], [9, 12], 17], 2)
        parts = [check(reading, slots, 4)["chunk_checksums"] for slots in ("[1,3],9", "10,11,12,17")]
        assert body["chunk_checksums"] == parts[0] + parts[1]

    @pytest.mark.parametrize(
        ("slots", "ranges"),
        [
            ("5,6", [5, 6]),
            ("[5,6]", [5, 6]),
            ("5,6,7", [[5, 7]]),
            ("3,2,1", [3, 2, 1]),
            ("[7,7]", [7]),
            ("1,1,1", [1, 1, 1]),
            ("[0,2],[3,5]", [[0, 5]]),
            (" 1 , [ 2 , 4 ] ,", [[1, 4]]),
            ("007", [7]),
            (",", []),
        ],
    )
    def test_three_or_more_consecutive_slots_are_a_range(
        self, reading: FlaskClient, slots: str, ranges: list[Any]
    ) -> None:
        assert check(reading, slots)["slot_mapping_ranges"] == ranges

    def test_slot_order_matters(self, reading: FlaskClient) -> None:
        assert check(reading, "1,2")["chunk_checksums"] != check(reading, "2,1")["chunk_checksums"]

    def test_last_chunk_may_be_short(self, reading: FlaskClient) -> None:
        body = check(reading, "[0,20]")
        assert body["num_chunks"] == len(body["chunk_checksums"]) == 2
        assert body["chunk_checksums"][1] == check(reading, "[16,20]")["chunk_checksums"][0]

    def test_empty_slot_mapping_has_no_chunks(self, reading: FlaskClient) -> None:
        body = check(reading, ",", layerwise="yes")
        assert (body["num_chunks"], body["chunk_checksums"]) == (0, {layer: [] for layer in LAYERS})

    def test_checksums_are_equal_again_after_a_retrieve(self, client: FlaskClient, manager: EmbeddedManager) -> None:
        client.post("/cache/store?tokens_mock=0,48")
        before = check(client, "[0,63]")["chunk_checksums"]
        for buffer in manager.kv_caches.values():
            buffer.write(0, 64, memoryview(bytes(buffer.nbytes(64))))
        overwritten = check(client, "[0,63]")["chunk_checksums"]
        assert all(old != new for old, new in zip(before, overwritten, strict=True))
        client.post("/cache/retrieve?tokens_mock=0,64")
        # Stored slots are restored, others are not.
        assert check(client, "[0,63]")["chunk_checksums"] == [*before[:3], overwritten[3]]

    def test_last_repeated_parameter_wins(self, reading: FlaskClient) -> None:
        path = "/cache/kvcache/check?slot_mapping=x&slot_mapping=3&chunk_size=0&chunk_size=8&layerwise=1&layerwise=0"
        body = reading.get(path).get_json()
        assert (body["slot_mapping_ranges"], body["chunk_size"], body["layerwise"]) == ([3], 8, False)

    @pytest.mark.parametrize("chunk_size", ["1", "0001", "0" * 5000 + "1"])
    def test_leading_zeros_of_chunk_size_are_ignored(self, reading: FlaskClient, chunk_size: str) -> None:
        assert check(reading, "0,1", chunk_size)["chunk_size"] == 1

    def test_chunk_size_above_slot_count_makes_one_chunk(self, reading: FlaskClient) -> None:
        assert check(reading, "[0,127]", 10**17)["num_chunks"] == 1

    @pytest.mark.parametrize(
        ("query", "missing"),
        [
            ({}, "slot_mapping"),
            ({"chunk_size": 4}, "slot_mapping"),
            ({"slot_mapping": "", "chunk_size": 4}, "slot_mapping"),
            ({"slot_mapping": "0"}, "chunk_size"),
            ({"slot_mapping": "0", "chunk_size": ""}, "chunk_size"),
        ],
    )
    def test_missing_parameter_is_named(self, reading: FlaskClient, query: dict[str, object], missing: str) -> None:
        assert refusal(reading, query) == (400, "Missing parameters", f"{missing} is required")

    @pytest.mark.parametrize(
        "slots",
        [
            *("a", "1.5", "0x1", "1;2", "[1,2", "1,2]", "[1]", "[1,2,3]", "[a,b]", "[[1,2]]", "1[2,3]", "[1,2][3,4]"),
            *("[3,1]", "[-1,2]", "--1", "+", "9" * 5000, "[0," + "9" * 5000 + "]", "[" * 9000, "[,[," * 3000),
        ],
    )
    def test_invalid_slot_mapping_gets_400(self, reading: FlaskClient, slots: str) -> None:
        status, error, message = refusal(reading, {"slot_mapping": slots, "chunk_size": 4})
        assert (status, error) == (400, "Invalid slot_mapping format")
        assert message.startswith(FORMAT)
        assert len(message) < 300

    @pytest.mark.parametrize(
        "slots", ["[0,20000000]", ",".join(["[0,1999]"] * 1000), "[0,999999999999999999]", "[0,1048575],0"]
    )
    def test_too_many_slots_get_400_before_expansion(self, reading: FlaskClient, slots: str) -> None:
        started = time.process_time()
        refused = refusal(reading, {"slot_mapping": slots, "chunk_size": 4})
        assert time.process_time() - started < 1
        assert refused == (400, "Invalid slot_mapping format", f"{FORMAT}at most 1048576 slots in total")

    def test_parsing_a_long_mapping_is_linear(self, reading: FlaskClient) -> None:
        started = time.process_time()
        status, _, _ = refusal(reading, {"slot_mapping": ",".join(["1"] * 100_000), "chunk_size": 0})
        assert time.process_time() - started < 3
        assert status == 400

    @pytest.mark.parametrize(
        ("slots", "named"),
        [
            ("128", "128"),
            ("-1", "-1"),
            ("0,-5,127,130", "-5, 130"),
            (",".join(map(str, range(500, 10_500))), ", ".join(map(str, range(500, 510))) + ", …"),
            ("999999999999999999", "999999999999999999"),
        ],
    )
    def test_error_lists_at_most_10_unknown_slots(self, reading: FlaskClient, slots: str, named: str) -> None:
        assert refusal(reading, {"slot_mapping": slots, "chunk_size": 4}) == (
            400,
            "Invalid slot indices",
            f"Slot indices out of bounds: {named}. Valid range: 0 to 127",
        )

    @pytest.mark.parametrize("chunk_size", ["0", "-1", "x", "1.5", "1e2", "0" * 5000, "9" * 5000, " "])
    def test_invalid_chunk_size_gets_400(self, reading: FlaskClient, chunk_size: str) -> None:
        status, error, message = refusal(reading, {"slot_mapping": "0", "chunk_size": chunk_size})
        assert (status, error) == (400, "Invalid chunk_size")
        assert len(message) < 200

    def test_layerwise_that_is_not_boolean_gets_400(self, reading: FlaskClient) -> None:
        assert refusal(reading, {"slot_mapping": "0", "chunk_size": 4, "layerwise": "maybe"}) == (
            400,
            "Invalid parameter",
            "Invalid value for layerwise: expected bool, got 'maybe'",
        )


def test_info_describes_each_layer(client: FlaskClient) -> None:
    response = client.get("/cache/kvcache/info")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.text.startswith('{\n  "status"')
    layer = {"shape": [2, 8, 16, 2, 4], "dtype": "torch.float16", "device": "cpu"}
    assert response.get_json() == {"status": "success", "num_layers": 2, "layers": dict.fromkeys(LAYERS, layer)}


@pytest.mark.parametrize("path", ["info", "check?slot_mapping=0&chunk_size=4"])
def test_missing_kv_caches_get_404(scheduler: EmbeddedManager, path: str) -> None:
    response = create_app(scheduler).test_client().get(f"/cache/kvcache/{path}")
    assert response.status_code == 404
    assert response.get_json() == {
        "error": "kv_caches not available",
        "message": "kv_caches is empty or not initialized",
    }


def test_arguments_are_checked_before_kv_caches(scheduler: EmbeddedManager) -> None:
    query: dict[str, object] = {"slot_mapping": "x", "chunk_size": 4}
    assert refusal(create_app(scheduler).test_client(), query)[:2] == (400, "Invalid slot_mapping format")


class TestRecordSlot:
    def test_record_slot_switches_slot_logging(self, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        for enabled in ("true", "FALSE"):
            switched = enabled == "true"
            response = client.post(f"/cache/kvcache/record_slot?enabled={enabled}")
            assert (response.status_code, response.content_type) == (200, "application/json")
            assert response.text == (
                f'{{\n  "status": "success",\n  "kvcache_check_log_enabled": {str(switched).lower()}\n}}'
            )
            caplog.clear()
            client.post("/cache/store?tokens_mock=0,48")
            assert ("store used slots [0, 47] of 128" in caplog.text) is switched

    def test_record_slot_without_value_only_reads(self, client: FlaskClient) -> None:
        def told() -> bool:
            return bool(client.post("/cache/kvcache/record_slot").get_json()["kvcache_check_log_enabled"])

        assert told() is False
        client.post("/cache/kvcache/record_slot?enabled=true")
        assert told() is True
        assert told() is True

    @pytest.mark.parametrize("enabled", ["1", "yes", "x", " true", "true" * 2000])
    def test_value_that_is_not_boolean_gets_400(self, client: FlaskClient, enabled: str) -> None:
        response = client.post("/cache/kvcache/record_slot", query_string={"enabled": enabled})
        assert (response.status_code, response.get_json()["error"]) == (400, "Invalid parameter")
        assert response.get_json()["message"] == f"enabled must be 'true' or 'false', got {enabled[:100]!r}"

    def test_scheduler_gets_503(self, scheduler: EmbeddedManager) -> None:
        response = create_app(scheduler).test_client().post("/cache/kvcache/record_slot?enabled=true")
        assert (response.status_code, response.get_json()["message"]) == (503, "LMCache engine not configured.")
