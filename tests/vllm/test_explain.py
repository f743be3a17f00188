"""`explain` with vLLM's tokenizer and chat template, and the keys and facts of vLLM's processes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually
from tests.vllm.deployment import CHUNK, Deployment

TEMPLATE = "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}"
PROMPT = " ".join(f"the quick brown fox jumps over the lazy dog number {number}" for number in range(60))
MESSAGES = [{"role": "user", "content": PROMPT}]


@pytest.fixture(scope="module")
def vllm(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with_template = tmp_path_factory.mktemp("model-with-template")
    shutil.copytree(model, with_template, dirs_exist_ok=True)
    (with_template / "chat_template.jinja").write_text(TEMPLATE)
    with Deployment(tmp_path_factory.mktemp("vllm"), with_template, workers=2) as deployment:
        yield deployment


def explain(vllm: Deployment, *arguments: str) -> list[dict[str, Any]]:
    """Return the data of each rank; the scheduler is the first."""
    entries = json.loads(vllm.command("explain", *arguments, "--vllm", f"http://127.0.0.1:{vllm.port}/v1", "--json"))
    assert [entry["role"] for entry in entries] == ["scheduler", "worker 0", "worker 1"]
    return [entry["data"] for entry in entries]


def test_a_prompt_is_missing_before_it_is_sent_and_hits_after(vllm: Deployment) -> None:
    before = explain(vllm, "--prompt", PROMPT)
    assert [data["hit_tokens"] for data in before[1:]] == [0, 0]
    vllm.complete(PROMPT)
    full = before[1]["tokens"] // CHUNK * CHUNK
    assert full >= 4 * CHUNK
    assert eventually(lambda: [data["hit_tokens"] for data in explain(vllm, "--prompt", PROMPT)[1:]] == [full] * 2)


def test_the_scheduler_and_the_workers_compute_the_same_keys(vllm: Deployment) -> None:
    hashes = [[chunk["key"]["chunk_hash"] for chunk in data["chunks"]] for data in explain(vllm, "--prompt", PROMPT)]
    assert hashes[0]
    assert hashes[0] == hashes[1] == hashes[2]


def test_chat_messages_have_the_tokens_of_the_chat_template(vllm: Deployment, tmp_path: Path) -> None:
    path = tmp_path / "messages.json"
    path.write_text(json.dumps(MESSAGES))
    vllm.chat(MESSAGES)
    data = explain(vllm, "--messages", str(path))[1]
    assert data["hit_tokens"] == data["tokens"] // CHUNK * CHUNK > 0
    # The template puts the role before the text, which changes the keys of all chunks.
    other = explain(vllm, "--prompt", PROMPT)[1]
    assert data["chunks"][0]["key"]["chunk_hash"] != other["chunks"][0]["key"]["chunk_hash"]


def test_the_doctor_finds_nothing_in_a_healthy_deployment(vllm: Deployment) -> None:
    document = json.loads(vllm.command("doctor", "--json"))
    assert document["findings"] == []
    not_checked = {entry["code"] for entry in document["not_checked"]}
    assert not not_checked & {"lookup-client-missing", "lookup-server-missing", "memory-too-small", "pins-expired"}
    assert {"replicas-without-server", "lookup-server-missing", "vllm-prefix-cache-hits"} <= {*document["checked"]}
