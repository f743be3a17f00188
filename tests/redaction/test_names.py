"""Names that are in real use, in any style: those of secrets, and similar names of other values."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcache_internal.redaction import MASK, redact
from lmcache_internal.redaction.names import Secrecy, secrecy_of


def listed(names: str) -> list[str]:
    return names.split()


SECRET = listed("""
AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AZURE_STORAGE_CONNECTION_STRING AZURE_STORAGE_KEY
AZURE_CLIENT_SECRET AZURE_STORAGE_SAS_TOKEN AccountKey SharedAccessKey SharedAccessSignature azure_account_key
connection_string connectionString conn_str OPENAI_API_KEY ANTHROPIC_API_KEY WANDB_API_KEY DD_API_KEY api_key apiKey
APIKey apikey x-api-key X-Api-Key Ocp-Apim-Subscription-Key HF_TOKEN HUGGING_FACE_HUB_TOKEN GITHUB_TOKEN GITHUB_PAT
GH_PAT CI_JOB_TOKEN NPM_TOKEN PYPI_TOKEN SLACK_BOT_TOKEN SLACK_WEBHOOK_URL DISCORD_WEBHOOK TEAMS_WEBHOOK_URL
REDIS_PASSWORD REDISCLI_AUTH PGPASSWORD MYSQL_PWD MYSQL_ROOT_PASSWORD MONGO_INITDB_ROOT_PASSWORD SSHPASS
LDAP_BIND_PW dbpass db_pass DB_PASS db-pass userpass dbpwd http_pw root_pw pw passwd password passwords password1
PASSWORD_2 passcode passphrase pass_phrase key_pass keypass storepass GF_SECURITY_ADMIN_PASSWORD admin_password
userpasswordhash secret secrets client_secret clientSecret clientsecret app_secret WEBHOOK_SECRET secret_key
secretkey SECRET_KEY DJANGO_SECRET_KEY SECRET_KEY_BASE accesskey access_key accessKey private_key privatekey
PRIVATE_KEY ssh_key ssh.key SSH_PRIVATE_KEY signing_key signing_keys JWT_SIGNING_KEY JWT jwt id_jwt FERNET_KEY
AIRFLOW__CORE__FERNET_KEY MASTER_KEY MEILI_MASTER_KEY encryption_key ENCRYPTION_KEY LICENSE_KEY
NEW_RELIC_LICENSE_KEY STRIPE_KEY SENDGRID_KEY SENTRY_DSN dsn creds cred credentials credential GOOGLE_CREDENTIALS
db_creds cookie cookies Cookie Set-Cookie auth_cookie session_key sessionkey SESSION_KEY session_token auth
Authorization Proxy-Authorization authorization basic_auth basicauth oauth OAUTH2_ACCESS authtoken auth_token
access_token refresh_token id_token bearer bearer_token token TOKEN hf_token api_tokens VAULT_TOKEN VAULT_UNSEAL_KEY
unseal_key TOTP_SECRET otp sas_token contraseña
""")

OPEN = listed("""
KEY key keys cache_key chunk_key kv_key kv_keys primary_key public_key PUBLIC_KEY CACHE_KEY sort_key some_future_key
raw_key object_key encoded_key affinity_key num_keys failed_keys max_failed_keys total_key_count key_count
key_prefix num_key_value_heads monkey hotkey turkey keyboard keyring cache_salt salt chunk_hash chunk_hashes hash
PWD OLDPWD author authors AUTHOR GIT_AUTHOR_NAME authority compass bypass bypassed_backends bypass_add encompass
passed passes passive password_length token_file token_ttl token_path TOKEN_FILE secret_path secret_name token_type
token_count auth_mode SSH_AUTH_SOCK internal_api_server_token_file tokenizer tokenizer_mode TOKENIZERS_PARALLELISM
token_database token_bucket token_budget pass_config chunk_size remote_url model_name world_size path user username
HOSTNAME HOME LANG session_id SECRETARY pin_timeout_sec signed design patch pattern path_pattern LD_LIBRARY_PATH
NCCL_DEBUG sketch cookiecutter webapp
""")

COUNTED = listed("""
max_tokens min_retrieve_tokens num_tokens numHitTokens num_hit_tokens_total tokens tokens_mock prompt_tokens
blend_min_tokens token_ids token_id pad_token_id eos_token_id bytes_per_token num_token time_to_first_token
long_prefill_token_threshold image_token_index token_hit_rate lmcache:num_requested_tokens
""")


@pytest.mark.parametrize("name", SECRET)
def test_values_of_secret_names_are_masked(name: str) -> None:
    assert redact("hunter2", name) == MASK
    assert redact({name: "hunter2", "other": ["hunter2", 1]}) == {name: MASK, "other": ["hunter2", 1]}
    assert redact({"a": [{name: ["hunter2"]}]}) == {"a": [{name: [MASK]}]}


@pytest.mark.parametrize("name", OPEN)
def test_values_of_other_names_are_shown(name: str) -> None:
    for value in ("hunter2", 5, 1.5, ["vllm@model@1@0@abcd"], {"a": "b"}):
        assert redact(value, name) == value
        assert redact({name: value}) == {name: value}
    assert redact(f"{name}=hunter2 {name}: hunter2") == f"{name}=hunter2 {name}: hunter2"


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("value", [0, 512, 0.5, "512", "0,512", "0:512", [1, 2], {"min": 5}])
def test_counts_are_shown(name: str, value: Any) -> None:
    assert redact({name: value}) == {name: value}
    assert redact({name: "hunter2"}) == {name: MASK}


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("text", ["{}=512", "{}: 512; x", "{} = 0:512", "got '{}': 5, and more", "{}=5 and more"])
def test_counts_in_texts_are_shown(name: str, text: str) -> None:
    assert redact(text.format(name)) == text.format(name)
    assert "hunter2" not in redact(text.format(name).replace("5", "hunter2"))


@pytest.mark.parametrize("name", [name for name in COUNTED if name.endswith("tokens")])
def test_prose_about_tokens_is_shown(name: str) -> None:
    text = f"Invalid value for {name}: expected int, got 'x'"
    assert redact(text) == text


def words_of(name: str) -> list[str]:
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)


def styles(name: str) -> list[str]:
    words = [word.lower() for word in words_of(name)]
    camel = words[0] + "".join(word.capitalize() for word in words[1:])
    return ["_".join(words), "-".join(words), ".".join(words), "_".join(words).upper(), camel]


@pytest.mark.parametrize("name", [name for name in SECRET if len(words_of(name)) < 4 and not name.endswith("_KEY")])
def test_style_of_a_name_does_not_matter(name: str) -> None:
    assert {secrecy_of(style) for style in styles(name)} == {secrecy_of(name)}


@given(st.sampled_from(SECRET), st.sampled_from(["prod", "my", "redis", "main"]), st.sampled_from("_-."))
def test_prefix_of_a_name_does_not_lower_its_secrecy(name: str, before: str, separator: str) -> None:
    before = before.upper() if name.isupper() else before
    assert secrecy_of(f"{before}{separator}{name}") >= secrecy_of(name)


@given(st.text(), st.sampled_from(list(Secrecy)))
def test_name_inherits_the_secrecy_of_the_enclosing_name_or_is_open(name: str, within: Secrecy) -> None:
    found = secrecy_of(name, within)
    assert found >= within or found is Secrecy.OPEN
    assert found >= secrecy_of(name)


def test_keys_below_a_secret_name_are_owners() -> None:
    assert redact({"passwords": {"host": "hunter2", "database": "hunter2"}}) == {
        "passwords": {"host": MASK, "database": MASK}
    }
    assert redact({"auth": {"token_file": "/x", "user": "me"}}) == {"auth": {"token_file": "/x", "user": MASK}}
