"""GET /openapi.json describes the running app."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Rule
from werkzeug.test import Client

from lmcache_internal.app import InternalApp
from lmcache_internal.roles import Role
from lmcache_internal.security.access import required_role
from tests.openapi.support import Document, document_of, operations, resolved, validate
from tests.security.support import app_with, bearer, token_file


def template(rule: Rule) -> str:
    return re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", rule.rule)


def routes(app: Flask) -> set[tuple[str, str]]:
    """List routes without the code that generates the document."""
    return {
        (method, template(rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }


def test_document_has_every_route_with_its_role(any_app: InternalApp) -> None:
    document = document_of(any_app.test_client())
    validate(document)
    described = {(method, path): operation for method, path, operation in operations(document)}
    assert described.keys() == routes(any_app)
    for rule in any_app.url_map.iter_rules():
        for method in rule.methods or ():
            operation = described.get((method, template(rule)))
            if operation:
                role = required_role(any_app.view_functions[rule.endpoint], method, {})
                assert operation["x-access"] == str(role)
                assert ("security" in operation) == (role > Role.PUBLIC)
                assert str(role) in operation["description"] or role is Role.PUBLIC


def test_built_in_operations_have_summary_and_responses(document: Document) -> None:
    for method, path, operation in operations(document):
        assert operation["summary"], path
        assert operation["tags"], path
        responses = operation["responses"]
        assert "default" not in responses, path
        assert responses.keys() >= {"200", "403", "500"}, path
        for status, response in responses.items():
            described = resolved(document, response)
            assert described["description"], (path, status)
            schemas = [content["schema"] for content in described.get("content", {}).values()]
            assert all(schemas), (method, path, status)
            assert schemas or status == "304", (method, path, status)


def test_type_names_are_unique(document: Document) -> None:
    # The document adds the module to names that are not unique.
    assert [name for name in document["components"]["schemas"] if "." in name] == []


def test_get_with_write_parameter_documents_its_role(document: Document) -> None:
    operation = document["paths"]["/loglevel"]["get"]
    assert operation["x-access"] == "viewer"
    assert "With `level`, it is a write and requires role operator." in operation["description"]


def test_security_is_optional_without_tokens(document: Document) -> None:
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["paths"]["/env"]["get"]["security"] == [{}, {"bearer": ["admin"]}]
    assert "401" not in document["paths"]["/metrics"]["get"]["responses"]
    assert "429" not in document["paths"]["/env"]["get"]["responses"]


def test_security_is_required_with_tokens(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, reader="viewer")
    with app_with(tokens_file=str(path)) as app:
        assert app.test_client().get("/openapi.json").status_code == 401
        document = document_of(app.test_client(), headers=bearer(tokens["reader"]))
    assert document["paths"]["/env"]["get"]["security"] == [{"bearer": ["admin"]}]
    assert {"401", "429"} <= document["paths"]["/metrics"]["get"]["responses"].keys()
    assert "security" not in document["paths"]["/metrics"]["get"]


def test_server_url_is_the_mount_path(app: InternalApp) -> None:
    document = document_of(app.test_client())
    assert document["servers"] == [{"url": "/"}]
    mounted = Client(DispatcherMiddleware(Flask("host"), {"/lmcache": app.wsgi_app}))
    environ = app.test_client().environ_base
    response = mounted.get("/lmcache/openapi.json", environ_base=environ)
    assert response.json == document | {"servers": [{"url": "/lmcache"}]}


def test_document_includes_route_added_later(app: InternalApp) -> None:
    before = document_of(app.test_client())
    app.url_map.add(Rule("/later", endpoint="later", methods=["GET"]))  # As a script may do.
    app.view_functions["later"] = lambda: "later"
    after = document_of(app.test_client())
    assert after["paths"].keys() - before["paths"].keys() == {"/later"}
    assert after["paths"]["/later"]["get"]["operationId"]


def test_status_lists_all_schemas(document: Document) -> None:
    refused = document["paths"]["/conf"]["post"]["responses"]["400"]["content"]["application/json"]
    shapes = [schema["$ref"].rpartition("/")[2] for schema in refused["schema"]["anyOf"]]
    assert shapes == ["Refused", "Error", "BareError"]


def test_required_text_has_min_length(document: Document) -> None:
    (found, *_) = document["paths"]["/loglevel"]["put"]["parameters"]
    assert found["schema"] == {"type": "string", "minLength": 1, "maxLength": 256}


def test_json_as_text_has_content_schema(document: Document) -> None:
    content = document["paths"]["/env"]["get"]["responses"]["200"]["content"]
    variables = {"type": "object", "additionalProperties": {"type": "string"}}
    as_json = {"type": "string", "contentMediaType": "application/json", "contentSchema": variables}
    assert content == {"text/plain": {"schema": as_json}}


def test_entity_tags_are_documented(document: Document) -> None:
    paths = document["paths"]
    reading, changing = paths["/conf"]["get"], paths["/conf"]["post"]
    assert {"304", "412"} <= reading["responses"].keys()
    assert "304" not in changing["responses"]
    assert "412" in changing["responses"]
    assert "ETag" in reading["responses"]["200"]["headers"]
    in_header = [
        {found["name"] for found in each["parameters"] if found["in"] == "header"} for each in (reading, changing)
    ]
    assert in_header == [{"If-Match", "If-None-Match"}, {"If-Match"}]
