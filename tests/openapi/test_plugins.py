"""The OpenAPI document of declared and undeclared plugins."""

from __future__ import annotations

import pytest

from tests.openapi.support import Document, operations


def test_tag_descriptions_are_module_docstrings(extended: Document) -> None:
    tags = {tag["name"]: tag["description"] for tag in extended["tags"]}
    assert tags["weigh"] == "Weigh things.\n\nIt is slow."
    assert tags["plain"] == ""
    assert tags["freeze"].startswith("Freeze mode")
    assert {tag for _, _, operation in operations(extended) for tag in operation["tags"]} == tags.keys()


def test_operation_ids_are_unique(extended: Document) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(extended)]
    assert len(ids) == len(set(ids))
    assert {"freeze_enable", "plain_plain", "plain_plain_post", "plain_a_thing", "plain_a_thing_2"} <= set(ids)


def test_parameters_match_signature(extended: Document) -> None:
    weigh = extended["paths"]["/weigh/{number}/{name}"]["get"]
    assert weigh["summary"] == "Weigh one."
    assert weigh["description"] == "Slowly.\n\nRequires no credentials."
    assert weigh["parameters"] == [
        {"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}},
        {
            "name": "name",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": "^[^/]+$", "maxLength": 3},
        },
        {
            "name": "unit",
            "in": "query",
            "required": False,
            "schema": {"type": "string", "default": "g"},
            "description": "of the answer.",
        },
        {
            "name": "of",
            "in": "query",
            "required": False,
            "explode": False,
            "schema": {"type": "array", "items": {"type": "string"}},
        },
    ]


def test_bodies_match_signature(extended: Document) -> None:
    choose = extended["paths"]["/weigh/by"]["put"]
    assert choose["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Scale"}}},
    }
    scale = extended["components"]["schemas"]["Scale"]
    assert scale["required"] == ["name"]
    assert scale["properties"]["most"] == {"type": "integer", "minimum": 1, "maximum": 9, "default": 5}
    assert [(found["name"], found["schema"]) for found in choose["parameters"]] == [
        ("tag[]", {"type": "array", "items": {"type": "string"}}),
        ("for", {"type": "integer"}),
    ]
    form = extended["paths"]["/weigh/file"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"].keys() == {"file", "sheet"}
    assert form["required"] == ["file"]


def test_responses_have_schemas(extended: Document) -> None:
    weight = {"$ref": "#/components/schemas/Weight"}
    described = extended["components"]["schemas"]["Weight"]
    assert described["description"] == "What a thing weighs."
    assert described["properties"]["grams"] == {"description": "its weight, in grams.", "type": "number"}
    responses = extended["paths"]["/weigh/{number}/{name}"]["get"]["responses"]
    assert responses["200"]["content"] == {"application/json": {"schema": weight}}
    assert responses.keys() == {"200", "400", "403", "404", "500"}
    responses = extended["paths"]["/weigh/file"]["post"]["responses"]
    assert responses["200"]["content"] == {"application/json": {"schema": weight}}
    assert responses["404"]["content"] == {
        "application/json": {"schema": weight},
        "text/plain": {"schema": {"type": "string"}},
    }
    assert responses.keys() == {"200", "400", "401", "403", "404", "413", "500", "501", "503", "504"}
    responses = extended["paths"]["/weigh/by"]["put"]["responses"]
    assert responses.keys() == {"200", "400", "401", "403", "409", "413", "500", "501", "503", "504"}
    content = extended["paths"]["/weigh/page"]["get"]["responses"]["200"]["content"]
    assert content == {"text/html": {"schema": {"type": "string"}}, "text/css": {"schema": {"type": "string"}}}


def test_type_without_json_form_is_string(extended: Document) -> None:
    content = extended["paths"]["/weigh/odd"]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"] == {"type": "object", "additionalProperties": {"type": "string"}}


@pytest.mark.parametrize("name", ["broken", "silent"])
def test_type_without_schema_has_empty_schema(extended: Document, name: str) -> None:
    content = extended["paths"][f"/weigh/{name}"]["get"]["responses"]["200"]["content"]
    assert content == {"application/json": {"schema": {}}}


def test_undeclared_response_has_no_content(extended: Document) -> None:
    assert "content" not in extended["paths"]["/weigh/response"]["get"]["responses"]["200"]


def test_plain_flask_view_is_described(extended: Document) -> None:
    item = extended["paths"]["/plain/{a}/{b}/{c}/{d}/{e}"]
    assert (item["get"]["x-access"], item["post"]["x-access"]) == ("viewer", "admin")
    assert item["get"]["summary"] == "A plain Flask view."
    assert item["get"]["description"] == "It has more to say.\n\nRequires role viewer."
    assert {found["name"]: found["schema"] for found in item["get"]["parameters"]} == {
        "a": {"type": "integer"},
        "b": {"type": "number"},
        "c": {"type": "string", "format": "uuid"},
        "d": {"type": "string", "enum": ["x", "y"]},
        "e": {"type": "string"},
    }
    assert item["get"]["responses"].keys() == {"401", "403", "default"}
    assert "parameters" not in extended["paths"]["/plain/fixed"]["get"]
