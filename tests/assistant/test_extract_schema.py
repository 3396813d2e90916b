"""What a JSON Schema may say, and what is refused with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant import extract_schema
from assistant.errors import SchemaUnusable
from assistant.extract_schema import Type, as_object, parse


def properties(**given: Any) -> str:
    return json.dumps({"type": "object", "properties": given})


def nested(depth: int) -> dict[str, Any]:
    below: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        below = {"type": "object", "properties": {"a": below}}
    return below


def test_fields_carry_type_words_and_choices() -> None:
    schema = parse(
        json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "Contract",
                "type": "object",
                "required": ["noticePeriod_days"],
                "additionalProperties": False,
                "properties": {
                    "noticePeriod_days": {"type": ["integer", "null"]},
                    "signed": {"type": "string", "format": "date", "description": "Day of it"},
                    "supplier": {"type": "object", "properties": {"name": {"type": "string"}}},
                    "risk": {"enum": ["low", "high", None]},
                    "parties": {"type": "array", "items": {"type": "string"}},
                },
            }
        )
    )
    days, signed, name, risk, parties = schema.fields
    assert (days.label, days.type, days.question) == (
        "notice period days",
        Type.INTEGER,
        "notice period days",
    )
    assert (signed.type, signed.question) == (Type.DATE, "Day of it")
    assert (name.path, name.label) == (("supplier", "name"), "supplier name")
    assert (risk.type, risk.choices) == (Type.CHOICE, ("low", "high"))
    assert (parties.many, parties.type) == (True, Type.STRING)
    assert as_object([(name, "Acme"), (risk, None)]) == {"supplier": {"name": "Acme"}, "risk": None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ("[" * 60_000, "not JSON"),
        ("[]", "must be an object"),
        ('{"type": "object", "properties": {}}', "no properties"),
        (' {"type": "object"}', "has no properties"),
        (" " * (extract_schema.LONGEST + 1), "longer than"),
        ('{"type": "object", "properties": {"a": {"type": "string"}, "a": {}}}', "'a' twice"),
        (properties(a={"type": "string", "pattern": "(a+)+$"}), "'pattern' is not supported"),
        (properties(a={"$ref": "#"}), "must have one type"),
        (properties(a={"type": "string", "$ref": "#"}), "'$ref'"),
        (properties(a={"anyOf": []}), "must have one type"),
        (properties(a={"type": ["string", "integer"]}), "must have one type"),
        (properties(a={"type": "string", "format": "uri"}), "the format 'uri'"),
        (properties(a={"type": "integer", "enum": [1]}), "for strings only"),
        (properties(a={"enum": [1, 2]}), "its enum must list"),
        (properties(a={"type": "array", "items": nested(1)}), "not supported there"),
        (properties(a={"type": "array", "items": {"type": "boolean"}}), "not supported there"),
        (properties(a={"type": "array"}), "items must be one schema"),
        (properties(a={"type": "string", "description": "x" * 401}), "its description"),
        (properties(**{"a\nb": {"type": "string"}}), "no name for a property"),
        (properties(a=nested(3)), "too deep"),
        (properties(**{f"f{n}": {"type": "string"} for n in range(101)}), "more than 100 fields"),
        ('{"type":"object","properties":{"a":{"type":"string"}},"required":["b"]}', "required"),
    ],
)
def test_what_cannot_be_held_to_is_refused_in_one_sentence(text: str, told: str) -> None:
    with pytest.raises(SchemaUnusable) as refused:
        parse(text)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


def test_a_refusal_names_the_place() -> None:
    inner = {"type": "object", "properties": {"b": {"type": "string", "minLength": 2}}}
    with pytest.raises(SchemaUnusable, match=r"'a\.b'.*'minLength'"):
        parse(properties(a=inner))
