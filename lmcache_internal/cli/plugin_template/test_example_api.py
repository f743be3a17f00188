"""Test example_api.py: an answer, an invalid argument, no engine."""

import pytest
from flask.testing import FlaskClient

pytestmark = pytest.mark.internal_api(plugin_dirs=["."])


def test_the_answer(internal_api_client: FlaskClient) -> None:
    answer = internal_api_client.get("/example?times=2").get_json()
    assert answer["greetings"] == ["Hello, test-model!"] * 2
    assert answer["frozen"] is False


def test_a_bad_argument(internal_api_client: FlaskClient) -> None:
    answer = internal_api_client.get("/example?times=often")
    assert answer.status_code == 400
    assert "expected int, got 'often'" in answer.get_json()["message"]


@pytest.mark.internal_api(role="scheduler")
def test_a_scheduler_has_no_engine(internal_api_client: FlaskClient) -> None:
    assert internal_api_client.get("/example").status_code == 503
