"""Secrets in a text are masked by the name before them, by their form, or by their place in a URL; prose is not."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcache_internal.redaction import MASK, redact, redact_start
from tests.support import examples

SECRET = "S3cretOnlyHere9"

# {} is the secret.
NAMED = [
    "password={}",
    "password = '{}'",
    'password: "{}"',
    "passwd:{}",
    "PGPASSWORD={} psql",
    "api_key: {}",
    "API key: {}",
    "connection string: {}",
    "--api-key {}",
    "--api-key={}",
    "--hf-token '{}'",
    "-token {}",
    "['--api-key', '{}', '--port', '1']",
    "Cookie: sid={}; csrf={}",
    "Set-Cookie: sid={}; Path=/; HttpOnly",
    "Authorization: Basic {}",
    "Authorization: Token {}",
    "Authorization: AWS4-HMAC-SHA256 Credential=a/b, Signature={}",
    "Proxy-Authorization: Digest username=me, response={}",
    "x-api-key: {}",
    "headers={{'X-Api-Key': '{}', 'Accept': '*/*'}}",
    "AccountName=me;AccountKey={}==;EndpointSuffix=core.windows.net",
    "Server=h;User Id=me;Password={};",
    "jdbc:sqlserver://h:1433;databaseName=x;user=sa;password={}",
    "password => '{}'",
    "token := {}",
    "hf_token: str = '{}'",
    "client_secret=b'{}'",
    "Client(host='h', password={!r}, port=1)",
    "namespace(auth=namespace(user='me', it='{}'), size=1)",
    "password=SecretStr('{}')",
    "auth=<Kind.A: '{}'>",
    "auth=('me', '{}')",
    "sent {{'auth': {{'user': 'me', 'it': ['{}']}}}} to h",
    "password: correct horse {}",
    "my_password = '''{}'''",
    "password=`{}`",
    "password='{}",
    "a password='{}",
    "password='it''s {}'",
    "password='it'{}",
    "password='it\\' {}'",
    'sent "{{\\"password\\": \\"it\\"{}\\"}}"',
    'sent "{{\\"password\\": \\"{}\\"}}"',
    "config:\n  redis:\n    password: {}\n    port: 1",
    'config: {{\n  "auth": {{\n    "user": "{}"\n  }},\n  "b": 1\n}}',
    'metric{{auth_token="{}"}} 1',
    "GET /x?password={}&y=1 HTTP/1.1",
    "//registry.npmjs.org/:_authToken={}",
    "WANDB_KEY={}",
    "WANDB_KEY: correct horse {}",
    "machine_password\t=\t{}",
]
FORMS = [
    "Bearer {}",
    "bearer   {}",
    "basic {}==",
    "sk-{}",
    "sk-proj-{}",
    "ghp_{}",
    "github_pat_{}",
    "hf_{}",
    "glpat-{}",
    "https://hooks.slack.com/services/T0/B0/{}",
    "https://discord.com/api/webhooks/12/{}",
    "xoxb-12-{}",
    "nvapi-{}",
    "lmci_{}",
    "eyJhbGciOiJIUzI1NiJ9.{}.sig",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4\n\n{}\nabc=\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n{}",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n{}",
]
URLS = [
    "redis://user:{}@host:6379/0",
    "redis://:{}@h1:1,redis://u:{}@h2:2",
    "postgresql+psycopg://{}@host/db",
    "https://{}@github.com/me/repo.git",
    "https://bucket.example/x?X-Signature={}&y=1",
    "https://h/callback#access_token={}&token_type=bearer",
    "https://h/callback#/route?id_token={}",
    "https://hooks.example/x;token={}",
    "redis://user:{}",
    "mongodb://u:{}@h1:1,h2:2/db?replicaSet=x",
]
AROUND = ["{}", "cannot reach it: {}", "({})", "one\n{}\ntwo", "'{}'", '"{}", and more', "{}, giving up", "a=1; {}"]
HARMLESS = [
    "the bearer is here",
    "basic authentication failed",
    "Basic authentication failed",
    "BASIC authentication failed",
    "token == other, password != x",
    "std::token::next",
    "if not token:\n    raise ValueError",
    "password is required; the token expired",
    "unknown key: vllm@meta-llama/Llama-3@1@0@5f3c9a",
    "missing key: 'chunk_size'",
    "cache key: vllm@m@1@0@ab, chunk_hash=5f3c9ae2b1, cache_salt=tenant-a",
    "Stored 512 tokens: took 5 ms",
    "Too many stop tokens: 7. The max size is 7.",
    "Prefix tokens: 777 (ratio=7), hit tokens: None.",
    "prompt_token_ids: [1, 2, 3], prompt_embeds shape: (1, 2)",
    "get_num_new_matched_tokens: num_computed_tokens=5",
    "--tokens-only or --max-num-batched-tokens to at least 5",
    "Testing basic operations...",
    "num_tokens = torch.sum(mask).item()",
    "self._engine.retrieve(tokens=spec.tokens, block_ids=spec.block_ids)",
    "tokens_per_window = min(",
    "def store(fleet: Fleet, tokens: str, token_ids: list[int]) -> None:",
    "used as HTTP bearer authorization for remote files",
    "git+https://github.com/ai/x@main",
    "num_tokens=512, max_tokens: 5, tokens_mock=0,512",
    "max_tokens: the limit of a request, num_tokens: int = 5",
    "Invalid value for min_retrieve_tokens: expected int, got 'abc'",
    "Retrieved 256 of 512 tokens, hit_rate=0.5",
    "PWD=/home/me OLDPWD=/tmp",
    "token_file=/etc/lmcache/tokens.yaml: No such file",
    "lmcache.v1.token_database: INFO",
    "(token_database.py:123:lmcache.v1.token_database)",
    "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
    "jwt.InvalidTokenError: expired; auth_error=none; auth_status: refused",
    "secrets.json: No such file or directory",
    "token=None, password=null, auth=''",
    "--max-tokens 5 --token-file /x --model m",
    "sk-learn-compatible-estimators",
    "hf_hub_enable_hf_transfer",
    "a task-force-0123456789abcdef",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "5f3c9ae2b15f3c9ae2b15f3c9ae2b15f3c9ae2b15f3c9ae2b15f3c9ae2b1aaaa",
    "http://host/users/@me",
    "http://host:8080/a/vllm@m@1@0@ab",
    "http://minio:9000/bucket/vllm@m@1@0@ab",
    "fs://host:0/data/vllm@m@1@0@ab.pt",
    "redis://host:6379: failed to put vllm@m@1@0@ab",
    "cannot reach redis://host:6379, while storing vllm@m@1@0@ab",
    "redis://h1:1,redis://h2:2",
    "redis://[::1]:6379/0",
    "expected redis://<host>:<port>, as in redis://host:port",
    "tcp://*:5555 tcp://0.0.0.0:5555 ipc:///tmp/x",
    "see https://docs.lmcache.ai/kv_cache/storage.html).",
    "http://{host}:{port}/metrics",
    "someone@example.org",
    "12:30:01 INFO [x.py:5] a: b",
]


def filled(template: str) -> str:
    return template.format(*[SECRET] * 3)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("template", [*NAMED, *FORMS, *URLS])
def test_secret_in_a_text_is_masked(template: str, around: str) -> None:
    text = around.replace("{}", filled(template))
    assert SECRET in text
    for value in (text, [text], {"message": text}, {text: 1}, text.encode(), json.dumps({"m": text})):
        assert SECRET not in str(redact(value))
        assert MASK in str(redact(value))


@pytest.mark.parametrize("text", HARMLESS)
@pytest.mark.parametrize("around", AROUND)
def test_harmless_text_is_unchanged(text: str, around: str) -> None:
    text = around.replace("{}", text)
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("run --api-key x --model m", "run --api-key *** --model m"),
        ("Authorization: Bearer abc.DEF-123=", "Authorization: Bearer ***"),
        ("a='1', password='x', b='2'", "a='1', password='***', b='2'"),
        ("AccountName=me;AccountKey=x;EndpointSuffix=y", "AccountName=me;AccountKey=***;EndpointSuffix=y"),
        ("password: two words, port: 5", "password: ***, port: 5"),
        ('config: {\n  "auth": {\n    "a": "x"\n  },\n  "b": 1\n}', 'config: {\n  "auth": ***,\n  "b": 1\n}'),
        ("before sk-proj-abc123def456 after", "before sk-*** after"),
        ("https://u:p@h/a?x=1&y=2#z", "https://***@h/a?x=***&y=***#z"),
        ("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY----- after", "*** after"),
        ("{'num_tokens': 5, 'model': 'm'}", "{'num_tokens': 5, 'model': 'm'}"),
    ],
)
def test_only_the_secret_is_masked(text: str, redacted: str) -> None:
    assert redact(text) == redacted


letters = st.text("abcXYZ0189", min_size=1, max_size=5)
parts = letters.map(lambda text: f"S3c{text}")
separators = st.sampled_from("/#? @:;&=%+!*|~,'([<\\\"\n")
schemes = st.sampled_from(["redis", "rediss", "postgresql+psycopg", "http", "https", "s3", "mongodb", "amqp", "lm"])
hosts = st.sampled_from(["host", "host:6379", "10.0.0.1:1", "[::1]:6379", "h1:1,h2:2"])
tails = st.sampled_from(["", "/0", "/db?ssl=true", "?x=1", "#f", "/a/b"])
users = st.sampled_from(["", "me", "default", "a.b-c", "me@corp"])
before = st.sampled_from(["", "cannot reach ", "url=", "(", "{'remote': '", "see http://x/y and ", "redis://h:1 or "])
after = st.sampled_from(["", " failed", ", giving up", ")", "'}", ": refused", "\nnext line"])


@settings(max_examples=examples(500), deadline=None)
@given(
    st.tuples(before, schemes, users),
    st.lists(st.tuples(separators, parts), min_size=1, max_size=3),
    hosts,
    tails,
    after,
)
def test_password_with_any_characters_is_masked(
    start: tuple[str, str, str], password: list[tuple[str, str]], host: str, tail: str, end: str
) -> None:
    written = "".join(separator + part for separator, part in password)[1:]
    masked = redact(f"{start[0]}{start[1]}://{start[2]}:{written}@{host}{tail}{end}")
    assert [part for _, part in password if part in masked] == []


@settings(deadline=None)
@given(st.sampled_from([*NAMED, *FORMS, *URLS]), st.integers(0, 80), st.integers(0, 120))
def test_part_of_a_secret_before_the_cut_is_not_shown(template: str, start: int, more: int) -> None:
    text = f"{'y' * start} {filled(template)}{'z' * 200}"
    masked = redact_start(text, start + more)
    assert SECRET[:8] not in masked
    assert re.search(r"… \(\d+ more characters\)$", masked)


@settings(max_examples=examples(300), deadline=None)
@given(st.text() | st.lists(st.sampled_from([*NAMED, *FORMS, *URLS, "{", "[", '"', " ", "\n"])).map("".join))
def test_any_text_can_be_masked(text: str) -> None:
    assert isinstance(redact(text), str)
    assert isinstance(redact_start(text, 20), str)


@pytest.mark.parametrize("template", [*NAMED, *FORMS, *URLS])
def test_masking_twice_changes_nothing(template: str) -> None:
    masked: Any = redact(filled(template))
    assert redact(masked) == masked
