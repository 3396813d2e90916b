"""What is to be extracted: a JSON Schema read into fields, each with the question that it asks.

Pure. A small part of JSON Schema (draft 2020-12) is taken: one object with properties, each a
string, number, integer, boolean, a day (`"format": "date"`), a choice (`enum` of strings), an array
of these, or an object of such properties, two levels down at most. `title` and `description` say
what is meant; every value may be missing, whatever `required` says. What else stands in a schema is
refused with its place, before a document is opened: a keyword that were skipped would promise a
check that nobody makes, and patterns and references are ways to make a reader work without end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from assistant.errors import SchemaUnusable
from assistant.sentences import one_line

LONGEST = 65_536  # characters of a schema
MOST_FIELDS = 100
_MOST_CHOICES, _LONGEST_CHOICE = 50, 120
_LONGEST_NAME, _LONGEST_WORDS = 64, 400
_DEEPEST = 3  # objects in one another, the outermost included

_NOTES = frozenset({"title", "description", "$comment", "examples"})
_OBJECT = frozenset({"type", "properties", "required", "additionalProperties"}) | _NOTES
_ROOT = _OBJECT | {"$schema", "$id"}
_LEAF = frozenset({"type", "format", "enum"}) | _NOTES
_ARRAY = frozenset({"type", "items"}) | _NOTES
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")


class Type(StrEnum):
    """What a field's value is."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE = "date"
    CHOICE = "enum"


@dataclass(frozen=True, slots=True)
class Field:
    """One value that is wanted. `path` are the names of properties from the outermost object on,
    `many` says that it is a list of such values, `label` is the field's name in words ("notice
    period", after the words of the object that it stands in) and `description` what the schema
    says of it, "" if nothing."""

    path: tuple[str, ...]
    type: Type
    label: str
    description: str = ""
    many: bool = False
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The path as people read it: "supplier.name"."""
        return ".".join(self.path)

    @property
    def question(self) -> str:
        """What is asked of a document: the description, or the label alone."""
        return self.description or self.label


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields in the order of the schema's text; `text` is that text as it was given."""

    text: str
    fields: tuple[Field, ...]


def words_of(name: str) -> str:
    """A property's name in words: `noticePeriod_days` is "notice period days"."""
    return " ".join(word.lower() for word in _WORDS.findall(name)) or name.lower()


def parse(text: str) -> Schema:
    """The schema in `text`. Raises SchemaUnusable with what is wrong and where."""
    if len(text) > LONGEST:
        raise SchemaUnusable("the schema", f"it is longer than {LONGEST} characters")
    try:
        root = json.loads(text, object_pairs_hook=_distinct)
    except _Twice as error:
        raise SchemaUnusable("the schema", f"it names {error} twice in one object") from None
    except (ValueError, RecursionError):
        raise SchemaUnusable("the schema", "it is not JSON") from None
    fields: list[Field] = []
    _object(root, (), "", fields, depth=1)
    if not fields:
        raise SchemaUnusable("the schema", "it names no properties")
    return Schema(text, tuple(fields))


class _Twice(ValueError):
    """A name that stands twice in one object; JSON readers differ in which one they take."""


def _distinct(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(_shown(name) for name in names if names.count(name) > 1))
    return found


def _shown(name: object) -> str:
    plain = "".join(each for each in str(name) if each.isprintable())
    return repr(plain[:_LONGEST_NAME])


def _place(path: Sequence[str]) -> str:
    return f"the property {_shown('.'.join(path))}" if path else "the schema"


def _allowed(node: Mapping[str, object], allowed: frozenset[str], path: Sequence[str]) -> None:
    for key in node:
        if key not in allowed:
            raise SchemaUnusable(_place(path), f"the keyword {_shown(key)} is not supported there")


def _types(node: Mapping[str, object], path: Sequence[str]) -> str:
    """The one type besides null that a node names, or "string" for a bare choice."""
    given = node.get("type")
    if given is None and "enum" in node:
        return "string"
    listed = given if isinstance(given, list) else [given]
    found = [each for each in listed if each != "null"]
    if len(found) != 1 or not isinstance(found[0], str):
        raise SchemaUnusable(_place(path), "it must have one type")
    return found[0]


def _said(node: Mapping[str, object], key: str, path: Sequence[str]) -> str:
    value = node.get(key, "")
    if not isinstance(value, str) or len(value) > _LONGEST_WORDS:
        raise SchemaUnusable(
            _place(path), f"its {key} is not a text of at most {_LONGEST_WORDS} characters"
        )
    return one_line(value)


def _object(node: object, path: tuple[str, ...], above: str, into: list[Field], depth: int) -> None:
    """Read the properties of an object; `above` are the words of the objects around it."""
    if not isinstance(node, dict) or _types(node, path) != "object":
        raise SchemaUnusable(_place(path), 'it must be an object: {"type": "object", ...}')
    if depth > _DEEPEST:
        raise SchemaUnusable(_place(path), "objects stand in one another too deep")
    _allowed(node, _ROOT if depth == 1 else _OBJECT, path)
    properties = node.get("properties")
    if not isinstance(properties, dict):
        raise SchemaUnusable(_place(path), "it has no properties")
    if not isinstance(node.get("additionalProperties", False), bool):
        raise SchemaUnusable(_place(path), "additionalProperties must be true or false")
    _required(node.get("required", []), properties, path)
    for name, below in properties.items():
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise SchemaUnusable(_place(path), f"{_shown(name)} is no name for a property")
        _property(below, (*path, name), above, into, depth)
        if len(into) > MOST_FIELDS:
            raise SchemaUnusable("the schema", f"it has more than {MOST_FIELDS} fields")


def _required(listed: object, properties: Mapping[str, object], path: Sequence[str]) -> None:
    if not isinstance(listed, list) or any(
        not isinstance(each, str) or each not in properties for each in listed
    ):
        raise SchemaUnusable(_place(path), "required must list names of its properties")


def _property(
    node: object, path: tuple[str, ...], above: str, into: list[Field], depth: int
) -> None:
    if not isinstance(node, dict):
        raise SchemaUnusable(_place(path), "it must be an object that says its type")
    kind = _types(node, path)
    label = " ".join(f"{above} {_said(node, 'title', path) or words_of(path[-1])}".split())
    if kind == "object":
        _said(node, "description", path)
        _object(node, path, label, into, depth + 1)
    elif kind == "array":
        _allowed(node, _ARRAY, path)
        items = node.get("items")
        if not isinstance(items, dict):
            raise SchemaUnusable(_place(path), "its items must be one schema")
        into.append(_leaf(items, path, label, _said(node, "description", path), many=True))
    else:
        into.append(_leaf(node, path, label, "", many=False))


def _leaf(
    node: Mapping[str, object], path: tuple[str, ...], label: str, said: str, *, many: bool
) -> Field:
    _allowed(node, _LEAF, path)
    kind = _types(node, path)
    format_ = node.get("format")
    description = said or _said(node, "description", path)
    if kind not in ("string", "number", "integer", "boolean") or (kind == "boolean" and many):
        listed = "a list of " if many else ""
        raise SchemaUnusable(_place(path), f"{listed}{_shown(kind)} is not supported there")
    if ("enum" in node or format_ is not None) and kind != "string":
        raise SchemaUnusable(_place(path), "enum and format are for strings only")
    if format_ not in (None, "date"):
        raise SchemaUnusable(_place(path), f"the format {_shown(format_)} is not supported there")
    choices = _choices(node["enum"], path) if "enum" in node else ()
    type_ = Type.CHOICE if choices else Type.DATE if format_ else Type(kind)
    return Field(path, type_, label, description, many, choices)


def _choices(listed: object, path: Sequence[str]) -> tuple[str, ...]:
    found = [each for each in listed if each is not None] if isinstance(listed, list) else []
    sound = (
        0 < len(found) <= _MOST_CHOICES
        and all(isinstance(each, str) and each.strip() for each in found)
        and all(len(each) <= _LONGEST_CHOICE for each in found)
        and len(set(found)) == len(found)
    )
    if not sound:
        raise SchemaUnusable(
            _place(path),
            f"its enum must list 1 to {_MOST_CHOICES} different texts of at most "
            f"{_LONGEST_CHOICE} characters",
        )
    return tuple(found)


def as_object(fields: Sequence[tuple[Field, object]]) -> dict[str, object]:
    """Values put together as the schema nests them."""
    whole: dict[str, object] = {}
    objects: dict[tuple[str, ...], dict[str, object]] = {(): whole}
    for field, value in fields:
        for depth in range(1, len(field.path)):
            path = field.path[:depth]
            if path not in objects:
                objects[path] = objects[path[:-1]][path[-1]] = {}
        objects[field.path[:-1]][field.path[-1]] = value
    return whole
