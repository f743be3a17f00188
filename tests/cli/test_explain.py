"""`explain`: the prompt, vLLM's tokenizer, the bars, and the keys of all ranks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lmcache_internal import create_app
from lmcache_internal.cli import main
from lmcache_internal.cli.explain.bar import HIT, MISSING, REMAINDER, UNREACHABLE, Segments, cells, segments_of
from lmcache_internal.cli.explain.explanation import Chunk, Explanation
from tests.cli.conftest import DEAD, HANGING, Fleet, StartFleet
from tests.cli.serving import run
from tests.cli.terminal import terminal
from tests.cli.test_hostile import lying
from tests.http_server import Asked, Reply, responding
from tests.mp_support import MODEL, mp_manager
from tests.support import free_port

TOKENS = list(range(40))
"""Two chunks of 16 tokens, and 8 that do not fill one."""
LISTED = ",".join(map(str, TOKENS))

# What vLLM 0.32.0 responds.
NO_MODEL = (404, '{"error":{"message":"The model `nope` does not exist.","type":"NotFoundError","code":404}}')
NO_TEMPLATE = (
    "As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template"
)
NO_TOKENIZER = "Tokenizer not available when `skip_tokenizer_init=True`"


@pytest.fixture
def fleet(shared_fleet: Fleet) -> Iterator[Fleet]:
    yield shared_fleet
    for index in range(1, 5):
        engine = shared_fleet.managers[index].require_engine()
        engine.freeze(False)
        engine.clear()


def store(fleet: Fleet, tokens: list[int], *indices: int) -> None:
    for index in indices or range(1, 5):
        fleet.managers[index].require_engine().store(tokens)


@contextmanager
def vllm(respond: Callable[[dict[str, Any]], tuple[int, str]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that responds to /tokenize as vLLM does; the requests are recorded."""
    requests: list[dict[str, Any]] = []

    def reply(asked: Asked) -> Reply:
        body = json.loads(asked.body)
        requests.append(body | {"authorization": asked.headers.get("authorization")})
        status, text = respond(body) if asked.path == "/tokenize" else (404, '{"detail":"Not Found"}')
        return Reply(status, text, {"Content-Type": "application/json"})

    with responding(reply) as url:
        yield url, requests


def tokenized(_: dict[str, Any]) -> tuple[int, str]:
    return 200, json.dumps({"count": 40, "max_model_len": 4096, "tokens": TOKENS, "token_strs": None})


def refused(message: str) -> Callable[[dict[str, Any]], tuple[int, str]]:
    error = {"message": message, "type": "BadRequestError", "param": None, "code": 400}
    return lambda _: (400, json.dumps({"error": error}))


def explained(fleet: Fleet, *arguments: str, **options: Any) -> Result:
    return fleet.run("explain", *arguments, **options)


class TestPrompt:
    def test_vllm_tokenizes_a_prompt_and_never_sees_the_token(self, fleet: Fleet) -> None:
        with vllm(tokenized) as (url, requests):
            for address in (url, f"{url}/", f"{url}/v1"):
                result = explained(
                    fleet, "--prompt", "the fox", "--vllm", address, env={"LMCACHE_INTERNAL_TOKEN": "lmci_x"}
                )
                assert result.exit_code == 0
        assert requests == [{"prompt": "the fox", "authorization": None}] * 3

    def test_a_file_is_the_prompt_unchanged(self, fleet: Fleet, tmp_path: Path) -> None:
        path = tmp_path / "prompt.txt"
        path.write_text(" dünn\n", encoding="utf-8")
        with vllm(tokenized) as (url, requests):
            assert explained(fleet, "--prompt-file", str(path), "--vllm", url).exit_code == 0
            assert explained(fleet, "--prompt-file", "-", "--vllm", url, input="x\n").exit_code == 0
        assert [request["prompt"] for request in requests] == [" dünn\n", "x\n"]

    @pytest.mark.parametrize(
        ("content", "sent"),
        [
            ([{"role": "user", "content": "Hi"}], {"messages": [{"role": "user", "content": "Hi"}]}),
            (
                {"messages": [], "tools": [{"type": "function"}], "model": "tiny", "stream": True, "max_tokens": 5},
                {"messages": [], "tools": [{"type": "function"}], "model": "tiny"},
            ),
        ],
    )
    def test_messages_are_sent_with_what_changes_their_tokens(
        self, fleet: Fleet, tmp_path: Path, content: Any, sent: dict[str, Any]
    ) -> None:
        path = tmp_path / "messages.json"
        path.write_text(json.dumps(content))
        with vllm(tokenized) as (url, requests):
            assert explained(fleet, "--messages", str(path), "--vllm", url).exit_code == 0
        assert requests == [sent | {"authorization": None}]

    @pytest.mark.parametrize("text", [LISTED, LISTED.replace(",", " "), LISTED.replace(",", ", "), "0:40"])
    def test_tokens_are_given(self, fleet: Fleet, text: str) -> None:
        assert {entry["data"]["tokens"] for entry in fleet.json("explain", "--tokens", text)} == {40}

    @pytest.mark.parametrize(
        "content", [LISTED, LISTED.replace(",", "\n") + "\n", json.dumps(TOKENS), tokenized({})[1]]
    )
    def test_tokens_are_read_from_a_file(self, fleet: Fleet, tmp_path: Path, content: str) -> None:
        path = tmp_path / "tokens"
        path.write_text(content)
        assert {entry["data"]["tokens"] for entry in fleet.json("explain", "--tokens", str(path))} == {40}

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ([], "Give one of --prompt, --prompt-file, --messages, --tokens."),
            (["--prompt", "x", "--tokens", "1"], "Give one of"),
            (["--prompt", "x"], "--prompt needs --vllm URL"),
            (["--tokens", "1", "--vllm", "http://127.0.0.1:1"], "--vllm has no use with --tokens"),
            (["--tokens", "/no/such"], "or a file of them, got '/no/such'"),
            (["--tokens", "5:1"], "the start must be less than the end"),
            (["--tokens", "{file}"], "expected tokens such as 1,2,3"),
            (["--messages", "{file}", "--vllm", "http://127.0.0.1:1"], "is not JSON"),
            (["--prompt-file", "{latin}", "--vllm", "http://127.0.0.1:1"], "cannot read"),
            (["--tokens", "1", "--request-config", "a"], "expected NAME=VALUE, got 'a'"),
        ],
    )
    def test_wrong_options_are_usage_errors(self, fleet: Fleet, tmp_path: Path, given: list[str], message: str) -> None:
        file, latin = tmp_path / "file", tmp_path / "latin"
        file.write_text("1,-2,x")
        latin.write_bytes(b"\xff\xfe\xfa")
        result = explained(fleet, *(part.format(file=file, latin=latin) for part in given))
        assert result.exit_code == 2
        assert message in result.stderr


class TestFailures:
    @pytest.mark.parametrize(
        ("respond", "message"),
        [
            (refused(NO_TEMPLATE), f"HTTP 400: {NO_TEMPLATE}"),
            (refused(NO_TOKENIZER), f"HTTP 400: {NO_TOKENIZER}"),
            (lambda _: NO_MODEL, "HTTP 404: The model `nope` does not exist."),
            (lambda _: (404, '{"detail":"Not Found"}'), "it has no POST /tokenize. Is this the address of vLLM"),
            (lambda _: (200, '{"tokens": ["a"]}'), "something else than tokens (Expected `int`"),
            (lambda _: (200, '{"count": 0, "tokens": []}'), "The prompt has 0 tokens; expected 1 to 1048576."),
            (lambda _: (502, "<html><title>Bad Gateway</title>"), "HTTP 502: Bad Gateway"),
        ],
    )
    def test_vllm_refuses(self, fleet: Fleet, respond: Any, message: str) -> None:
        with vllm(respond) as (url, _):
            result = explained(fleet, "--prompt", "x", "--vllm", url)
            document = json.loads(explained(fleet, "--prompt", "x", "--vllm", url, "--json").stdout)
        assert result.exit_code == 1
        assert message in result.stderr
        assert "Is this an LMCache" not in result.stderr
        assert message in document[0]["error"]

    def test_a_refusal_of_vllm_is_one_short_line(self, fleet: Fleet) -> None:
        with vllm(refused("\x1b[2J\nFAKE-ROW " + "x" * 100_000)) as (url, _):
            result = explained(fleet, "--prompt", "x", "--vllm", url)
        assert len(result.stderr.splitlines()) == 1
        assert len(result.stderr) < 1500
        assert "\x1b" not in result.stderr

    def test_vllm_is_down(self, fleet: Fleet) -> None:
        result = explained(fleet, "--prompt", "x", "--vllm", f"127.0.0.1:{free_port()}")
        assert result.exit_code == 1
        assert "cannot connect: Connection refused. Is vLLM running there?" in result.stderr

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ('{"detail":"Not Found"}', "this is LMCache's own server"),
            ('{"error": "Not found", "message": "No route"}', "this server is older than the command"),
        ],
    )
    def test_a_server_without_the_route_is_named(self, body: str, message: str) -> None:
        with responding(lambda _: Reply(404, body)) as address:
            result = CliRunner().invoke(main, ["explain", "--tokens", "1,2", "--url", address])
        assert result.exit_code == 1
        assert f"POST /cache/explain is unknown: {message}" in result.stderr

    def test_servers_that_are_down_cost_only_their_rows(self, ailing: Fleet) -> None:
        store(ailing, TOKENS, 1, 3)
        result = explained(ailing, "--tokens", LISTED, "--timeout", "4")
        assert result.exit_code == 1
        assert "A retrieve hits 32 of 40 tokens" in result.stdout
        assert f"worker {DEAD - 1}" in result.stderr
        assert f"worker {HANGING - 1}" in result.stderr


class TestOutput:
    def test_hit_missing_and_remainder(self, fleet: Fleet) -> None:
        store(fleet, TOKENS[:16])
        result = explained(fleet, "--tokens", LISTED)
        bar = f"[{'#' * 24}{'-' * 24}{'.' * 12}]"
        assert result.exit_code == 0
        assert result.stdout.splitlines()[1].split() == ["1-4", bar, "16", "16", "8"]
        assert result.stdout.isascii()
        assert "A retrieve hits 16 of 40 tokens (40.0 %); 16 are missing, 8 do not fill a chunk" in result.stdout
        assert "Reason: " in result.stdout

    def test_ranks_that_have_different_chunks_have_their_own_bars(self, fleet: Fleet) -> None:
        store(fleet, TOKENS, 1, 2, 4)
        lines = explained(fleet, "--tokens", LISTED).stdout.splitlines()
        assert [line.split()[0] for line in lines[1:3]] == ["1-2,4", "3"]
        assert "A retrieve hits 0 of 40 tokens (0.0 %)" in "\n".join(lines)

    def test_everything_is_cached(self, fleet: Fleet) -> None:
        store(fleet, TOKENS)
        result = explained(fleet, "--tokens", LISTED)
        assert "All full chunks of the prompt are cached." in result.stdout
        assert "Reason: " not in result.stdout

    def test_json_has_the_response_of_each_server(self, fleet: Fleet) -> None:
        store(fleet, TOKENS, 1)
        found = fleet.json("explain", "--tokens", LISTED)
        assert [entry["ok"] for entry in found] == [True] * 5
        assert [entry["data"]["hit_tokens"] for entry in found[1:]] == [32, 0, 0, 0]
        assert found[1]["data"]["chunks"][0]["key"]["chunk_hash"] == found[2]["data"]["chunks"][0]["key"]["chunk_hash"]

    def test_request_configs_are_part_of_the_keys(self, fleet: Fleet) -> None:
        option = ("--request-config", "lmcache.tag.user=alice")
        tagged = fleet.json("explain", "--tokens", LISTED, "--index", "1", *option)
        assert tagged[0]["data"]["chunks"][0]["key"]["tags"] == {"user": "alice"}

    def test_a_salt_that_the_engine_ignores_is_reported(self, fleet: Fleet) -> None:
        ignored = "--cache-salt: the keys of this engine have no salt"
        assert f"Not checked (ranks 1-4): {ignored}" in explained(fleet, "--tokens", LISTED, "--cache-salt", "x").stdout
        assert "Not checked" not in explained(fleet, "--tokens", LISTED).stdout

    def test_a_scheduler_alone_has_keys_but_no_storage(self, fleet: Fleet) -> None:
        result = explained(fleet, "--tokens", LISTED, "--scheduler")
        assert result.exit_code == 0
        assert result.stdout.startswith("Not checked (ranks all): ")

    def test_on_a_terminal_the_bar_has_blocks(self, fleet: Fleet) -> None:
        store(fleet, TOKENS[:16])
        with terminal(fleet, "explain", "--tokens", LISTED) as person:
            person.wait_for("█ hit   ░ missing   · remainder")
            person.wait_for("A retrieve hits 16 of 40 tokens")
            assert person.wait_for_exit() == 0
        assert "\x1b[32m█" in person.shown


class TestMPServer:
    def test_tiers_and_salt(self, tmp_path: Path) -> None:
        with mp_manager(tmp_path) as manager, lying(create_app(manager).test_client(), lambda reply, _: reply) as url:
            found = run("explain", "--tokens", "0:66", "--url", url)
            salted = run("explain", "--tokens", "0:66", "--url", url, "--cache-salt", "alice", "--model-name", MODEL)
            other = run("explain", "--tokens", "0:66", "--url", url, "--model-name", "nope")
        assert "A retrieve hits 64 of 66 tokens" in found.stdout
        assert "code: stored-under-another-key" in salted.stdout
        assert "Not checked" not in salted.stdout
        assert (found.exit_code, salted.exit_code) == (0, 0)
        assert "registered are: test-model (world size 1)" in other.output


class TestComparison:
    def test_ranks_with_other_chunk_sizes(self, start_fleet: StartFleet) -> None:
        fleet = start_fleet(without=(2, 3, 4))
        other = start_fleet(without=(0, 2, 3, 4), chunk_size=8)
        result = CliRunner().invoke(main, ["explain", "--tokens", LISTED, "--url", fleet.url(1), "--url", other.url(1)])
        assert result.exit_code == 1
        assert "Reason: The ranks split the prompt into chunks of different sizes" in result.stdout
        assert "code: chunk-size-differs" in result.stdout

    def test_a_rank_with_other_hashes_is_the_first_reason_and_named(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fleet.managers[3].config, "pre_caching_hash_algorithm", "builtin")
        entries = fleet.json("explain", "--tokens", LISTED)
        reason = entries[1]["data"]["reasons"][0]
        assert (reason["code"], reason["evidence"]["start"]) == ("chunk-hashes-differ", 0)
        assert sorted(reason["evidence"]["chunk_hash"].values()) == ["0-2,4", "3"]
        assert explained(fleet, "--tokens", LISTED).exit_code == 1

    def test_another_model_or_world_size_is_found(self, start_fleet: StartFleet) -> None:
        fleet = start_fleet(without=(0, 3, 4))
        changes: list[tuple[str, Any]] = [("model_name", "other"), ("world_size", 3)]
        for name, value in changes:
            engine = fleet.managers[2].require_engine()
            before = engine.metadata
            engine.metadata = fleet.managers[2].lmcache_engine_metadata = replace(before, **{name: value})
            reason = fleet.json("explain", "--tokens", LISTED, "--index", "1,2")[0]["data"]["reasons"][0]
            assert reason["code"] == f"{name.replace('_', '-')}-differs"
            engine.metadata = fleet.managers[2].lmcache_engine_metadata = before

    def test_equal_keys_are_no_finding(self, fleet: Fleet) -> None:
        result = explained(fleet, "--tokens", LISTED)
        assert result.exit_code == 0
        assert "differs" not in result.stdout


def explanation(hit: int, *chunks: tuple[int, bool], size: int = 16) -> Explanation:
    """An explanation with chunks that end at a token, cached or not."""
    made = [Chunk(end - size, end, {}, hit=cached) for end, cached in chunks]
    return Explanation(0, size, hit, 0, 0, made)


class TestBar:
    @pytest.mark.parametrize(
        ("found", "tokens", "segments"),
        [
            (explanation(0), 5, ((5, REMAINDER),)),
            (explanation(32, (16, True), (32, True)), 32, ((32, HIT),)),
            (
                explanation(16, (16, True), (32, False), (48, True)),
                50,
                ((16, HIT), (32, MISSING), (48, UNREACHABLE), (50, REMAINDER)),
            ),
            # A server may send anything.
            (explanation(0, (1 << 40, True), (5, False)), 50, ((50, UNREACHABLE),)),
        ],
    )
    def test_segments(self, found: Explanation, tokens: int, segments: Segments) -> None:
        assert segments_of(found, tokens) == segments

    @pytest.mark.parametrize("width", [1, 7, 60])
    def test_small_parts_are_not_lost(self, width: int) -> None:
        drawn = cells(((100_000, HIT), (100_016, MISSING), (200_000, HIT)), 200_000, width)
        assert len(drawn) == width
        assert MISSING in drawn

    @pytest.mark.parametrize("tokens", [1, 2, 59, 60, 61, 1 << 20])
    def test_each_cell_is_drawn(self, tokens: int) -> None:
        assert cells(((tokens, MISSING),), tokens, 60) == [MISSING] * 60
