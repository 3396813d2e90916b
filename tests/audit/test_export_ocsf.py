"""OCSF events against the schema's own definitions (`test_export_ocsf_1_8_0.json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.envelope import parse_envelope
from audit.export_ocsf import CLASSES, PROFILE, line
from audit.export_types import DEFAULT, FAMILIES, TYPES
from audit.record import Actor, Event, Fields
from tests.audit.standins import ANN
from tests.audit.test_export_formats import record, types_in_the_sources

SCHEMA = json.loads(Path(__file__).with_name("test_export_ocsf_1_8_0.json").read_text())
_TYPES = {"string_t": str, "integer_t": int, "long_t": int, "boolean_t": bool}


def faults(event: Mapping[str, Any]) -> list[str]:
    """What the schema finds wrong with an event: unknown attributes, attributes of a profile that
    is not named, missing required ones, types, values that are not of the enumeration, and the
    constraints of classes and objects."""
    named = [
        (name, each)
        for name, each in SCHEMA["classes"].items()
        if each["uid"] == event["class_uid"]
    ]
    if len(named) != 1:
        return ["class_uid"]
    name, chosen = named[0]
    found = _faults(name, chosen, event, set(event["metadata"]["profiles"]))
    if not set(event["metadata"]["profiles"]) <= set(chosen["profiles"]):
        found.append("metadata.profiles")
    if event["category_uid"] != chosen["category_uid"]:
        found.append("category_uid")
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        found.append("type_uid")
    return found


def _faults(where: str, shape: Mapping[str, Any], value: object, profiles: set[str]) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: no object"]
    attributes = shape["attributes"]
    found = [f"{where}.{name}: unknown" for name in value if name not in attributes]
    for name, told in attributes.items():
        applies = not told.get("profiles") or bool(profiles & set(told["profiles"]))
        if name not in value:
            if told["r"] == "required" and applies:
                found.append(f"{where}.{name}: missing")
            continue
        if not applies:
            found.append(f"{where}.{name}: its profile is not named")
        each_of = value[name] if told.get("array") else [value[name]]
        for each in each_of:
            found += _value_faults(f"{where}.{name}", told, each, profiles)
    for kind, names in shape["constraints"].items():
        present = sum(name in value for name in names)
        if present == 0 or (kind == "just_one" and present > 1):
            found.append(f"{where}: {kind} of {names}")
    return found


def _value_faults(
    where: str, told: Mapping[str, Any], value: object, profiles: set[str]
) -> list[str]:
    kind = told["t"]
    if kind == "object:object":
        return [] if isinstance(value, dict) else [where]
    if kind.startswith("object:"):
        return _faults(where, SCHEMA["objects"][kind[7:]], value, profiles)
    large = isinstance(value, int) and not -(2**31) <= value < 2**31
    if type(value) is not _TYPES[kind] or (kind == "integer_t" and large):
        return [f"{where}: not {kind}"]
    if "enum" in told and value not in told["enum"]:
        return [f"{where}: {value!r} is not in the enumeration"]
    return []


_NONE: Fields = {}
_NAMED: Fields = {"collection": "c", "key": "k1", "user": "ann"}


def event_of(event: Event) -> dict[str, Any]:
    leaf = record(event)
    value = json.loads(line(leaf, parse_envelope(leaf.envelope)))
    assert isinstance(value, dict)
    return value


_MODEL: Fields = {
    "model": "qwen",
    "model_sha256": "ab" * 32,
    "where": "",
    "quantization": "Q4_K_M",
    "prompt_tokens": 12,
    "completion_tokens": 5,
    "outcome": "stop",
    "embedder": "bge",
    "code": "X",
}


def test_every_type_becomes_an_event_that_the_schema_accepts() -> None:
    people = (ANN, Actor("system", "cloister"), Actor("robot", "", client="é"))
    families = {f"{family}.x" for family in FAMILIES}
    for type_ in {*TYPES, *families, *types_in_the_sources(), "never.heard_of"}:
        for actor in people:
            for fields in (_NONE, _MODEL, _NAMED):
                event = event_of(Event(type_, actor, fields, session="s", request_id="r"))
                assert faults(event) == [], type_
        assert (event["class_uid"] == 0) == (type_ == "never.heard_of"), type_


def test_the_schema_finds_what_is_wrong() -> None:
    good = event_of(Event("model.called", ANN, _MODEL, request_id="r"))
    assert faults(good) == []
    for path, value in (
        (("activity_id",), 42),
        (("severity_id",), "1"),
        (("time",), None),
        (("api", "operation"), 3),
        (("metadata", "profiles"), []),
        (("ai_model", "nonsense"), "x"),
        (("message_context", "service"), {}),
        (("type_uid",), 600301),
    ):
        bad = json.loads(json.dumps(good))
        at = bad
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = value
        assert faults(bad) != [], path


def test_a_call_of_a_model_says_which_and_how_many_tokens() -> None:
    told = event_of(Event("model.finished", ANN, _MODEL, request_id="r9"))
    assert told["metadata"]["profiles"] == [PROFILE]
    assert told["ai_model"] == {
        "name": "qwen",
        "ai_provider": "Internal",
        "uid": "ab" * 32,
        "version": "Q4_K_M",
    }
    assert told["message_context"] == {
        "service": {"name": "cloister"},
        "ai_role_id": 2,
        "uid": "r9",
        "prompt_tokens": 12,
        "completion_tokens": 5,
        "total_tokens": 17,
    }
    assert (told["class_uid"], told["status_id"]) == (6003, 1)
    cut = event_of(Event("model.finished", ANN, {**_MODEL, "outcome": "deadline"}))
    assert (cut["status_id"], cut["severity_id"]) == (2, 2)
    tampered = event_of(Event("log.verified", ANN, {"state": "TAMPERED"}))
    assert (tampered["status_id"], tampered["severity_id"]) == (2, 4)
    assert tampered["time"] == 1_753_000_000_123
    assert tampered["metadata"]["original_time"].endswith(".123456796Z")


def test_classes_activities_and_numbers_are_those_of_the_schema() -> None:
    assert SCHEMA["version"] == "1.8.0"
    for name, (uid, category) in CLASSES.items():
        assert (SCHEMA["classes"][name]["uid"], SCHEMA["classes"][name]["category_uid"]) == (
            uid,
            category,
        )
    for kind in (*TYPES.values(), *FAMILIES.values(), DEFAULT):
        enum = SCHEMA["classes"][kind.ocsf_class]["attributes"]["activity_id"]["enum"]
        assert kind.activity in enum
