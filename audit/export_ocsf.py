"""Records as OCSF 1.8.0 events, one JSON object a line: for SIEMs and security data lakes.

Classes, activities and attributes are those of the Open Cybersecurity Schema Framework 1.8.0,
released on 2026-03-16, the first with the profile `ai_operation`; 1.9.0 takes them too, though it
deprecates `actor.app_name` and `app`. Which class a type of record becomes stands in
`audit.export_types`. The profile is named in `metadata.profiles` where `ai_model` is there: calls
of a model and answers that name one, all in API Activity, one of the three classes of 1.8.0 that
may carry it.

Every event has the same base: who (`actor`), when (`time` in milliseconds, `metadata.original_time`
with all nine decimals), which number (`metadata.sequence`). What the schema has no place for is in
`unmapped`: kind of actor, how they signed in, the clear fields as they are, the rest of the
envelope, the log's id, and the leaf hash, with which the line can be checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from audit.checkpoint import origin_of
from audit.export_row import Row, json_text, row_from, row_of
from audit.export_types import (
    API,
    BASE,
    DATA,
    ENTITY,
    ERROR,
    LIFE,
    LOG,
    OTHER,
    SIGN_IN,
    Kind,
    kind_of,
)
from audit.store import Leaf

VERSION = "1.8.0"
PROFILE = "ai_operation"
NEWLINE = "\n"

# class_uid and category_uid; a class that is not here is the Base Event, 0 and 0.
CLASSES: Mapping[str, tuple[int, int]] = {
    LOG: (1008, 1),
    SIGN_IN: (3002, 3),
    ENTITY: (3004, 3),
    LIFE: (6002, 6),
    API: (6003, 6),
    DATA: (6005, 6),
    ERROR: (6008, 6),
}
_ACTOR_BY_PROFILE = (BASE, LIFE, ERROR)  # in these, `actor` belongs to the profile `host`
_SEVERITIES = {1: 1, 2: 2, 3: 3, 4: 4}  # weight: informational, low, medium, high
_STATUSES = {"success": 1, "failure": 2, "unknown": 0}
_USER_TYPES = {"person": 1, "system": 3, "service": 4}
_DATASTORE_IS_DATABASE = 1
_RELATIONAL = 1
_USER, _ASSISTANT = 1, 2  # message_context.ai_role_id
_NAMES = ("name", "model", "collection", "user", "id", "key", "hold", "to_model")
_DIGESTS = ("sha256", "digest", "model_sha256", "key", "id", "verifier_key")


def line(leaf: Leaf, envelope: Mapping[str, object]) -> str:
    """One event. Raises ValueError for what is no record."""
    row = row_of(leaf, envelope)
    kind = kind_of(row.type, row.fields)
    class_uid, category_uid = CLASSES.get(kind.ocsf_class, (0, 0))
    ai = _ai(row) if kind.ocsf_class == API else {}
    profiles = [PROFILE] if ai else ["host"] if kind.ocsf_class in _ACTOR_BY_PROFILE else []
    event: dict[str, object] = {
        "activity_id": kind.activity,
        "category_uid": category_uid,
        "class_uid": class_uid,
        "type_uid": class_uid * 100 + kind.activity,
        "time": leaf.ts_utc // 1_000_000,
        "severity_id": _SEVERITIES[kind.weight],
        "status_id": _STATUSES[kind.outcome],
        "message": kind.name,
        "metadata": _metadata(row, profiles),
        "actor": _actor(row),
        **_of_class(row, kind),
        **ai,
        "unmapped": {
            "actor_auth": row.actor_auth,
            "actor_kind": row.actor_kind,
            "fields": row.fields,
            "leaf_hash": row.leaf_hash,
            "log_id": row.log_id,
            "rest": row.rest,
        },
    }
    if kind.activity == OTHER:
        event["activity_name"] = row.type
    code = row.fields.get("code")
    if isinstance(code, str) and code:
        event["status_code"] = code
    return json_text(event)


def parse(text: str) -> Row:
    """The record of one event. Raises ValueError or KeyError for what is none of ours."""
    event = json.loads(text)
    if not isinstance(event, dict):
        raise ValueError("the line is no event")
    try:
        return _row(event)
    except (TypeError, AttributeError) as error:
        raise ValueError("the event is none of ours") from error


def _row(event: dict[str, dict[str, object]]) -> Row:
    metadata, unmapped = event["metadata"], event["unmapped"]
    actor: Mapping[str, object] = event["actor"]
    user, session = actor["user"], actor.get("session", {})
    if not isinstance(user, dict) or not isinstance(session, dict):
        raise ValueError("the event names nobody")
    texts = {
        "event_id": metadata["uid"],
        "time": metadata["original_time"],
        "type": metadata["event_code"],
        "actor_kind": unmapped["actor_kind"],
        "actor_id": user.get("uid", ""),
        "actor_auth": unmapped["actor_auth"],
        "actor_client": actor.get("app_name", ""),
        "session": session.get("uid", ""),
        "request_id": metadata.get("correlation_uid", ""),
        "log_id": unmapped["log_id"],
        "leaf_hash": unmapped["leaf_hash"],
    }
    seq = metadata["sequence"]
    if not isinstance(seq, int) or not all(isinstance(each, str) for each in texts.values()):
        raise ValueError("the event is none of ours")
    groups = [each["name"] for each in user.get("groups", [])]
    strings = {name: str(value) for name, value in texts.items()}
    return row_from(strings, groups, unmapped["fields"], unmapped["rest"], seq)


def _metadata(row: Row, profiles: list[str]) -> dict[str, object]:
    metadata: dict[str, object] = {
        "version": VERSION,
        "product": {"name": "Cloister", "vendor_name": "Cloister", **_build(row)},
        "uid": row.event_id,
        "event_code": row.type,
        "sequence": row.seq,
        "original_time": row.time,
        "log_name": origin_of(row.log_id),
        "log_provider": "cloister",
        "log_version": str(row.rest.get("schema", "")),
        "profiles": profiles,
    }
    if row.request_id:
        metadata["correlation_uid"] = row.request_id
    return metadata


def _build(row: Row) -> dict[str, str]:
    writer = row.rest.get("writer")
    build = writer.get("build") if isinstance(writer, Mapping) else None
    return {"version": build} if isinstance(build, str) and build else {}


def _user(row: Row) -> dict[str, object]:
    type_id = _USER_TYPES.get(row.actor_kind, OTHER)
    user: dict[str, object] = {"type_id": type_id}
    if row.actor_id:
        user["uid"] = row.actor_id
    else:
        user["name"] = "unknown"  # the schema wants a name or an id
    if type_id == OTHER:
        user["type"] = row.actor_kind
    if row.actor_groups:
        user["groups"] = [{"name": name} for name in row.actor_groups]
    return user


def _actor(row: Row) -> dict[str, object]:
    actor: dict[str, object] = {"user": _user(row)}
    if row.actor_client:
        actor["app_name"] = row.actor_client
    if row.session:
        actor["session"] = {"uid": row.session}
    return actor


def _of_class(row: Row, kind: Kind) -> dict[str, object]:
    """What the class wants besides the base."""
    # What asked; the schema wants an endpoint, and the record knows no address.
    asked = {"src_endpoint": {"name": row.actor_client or "cloister"}}
    if kind.ocsf_class == API:
        return {**asked, "api": {"operation": row.type, "service": {"name": "cloister"}}}
    if kind.ocsf_class == DATA:
        return {**asked, "type_id": _DATASTORE_IS_DATABASE, "database": _database(row)}
    if kind.ocsf_class == LOG:
        return {"log_name": origin_of(row.log_id), "log_provider": "cloister"}
    if kind.ocsf_class == SIGN_IN:
        return {"user": _user(row), "service": {"name": "cloister"}}
    if kind.ocsf_class == ENTITY:
        family = row.type.partition(".")[0]
        return {"entity": {"type_id": OTHER, "type": family, **_named(row, family)}}
    if kind.ocsf_class == LIFE:
        return {"app": {"vendor_name": "Cloister", **_named(row, "model")}}
    return {}


def _named(row: Row, otherwise: str) -> dict[str, str]:
    digest = _first(row.fields, _DIGESTS)
    named = {"name": _first(row.fields, _NAMES) or otherwise}
    return {**named, "uid": digest} if digest else named


def _database(row: Row) -> dict[str, object]:
    if row.type.startswith(("log.", "payload.")):
        return {"name": origin_of(row.log_id), "type_id": _RELATIONAL}
    database: dict[str, object] = {
        "name": _first(row.fields, ("collection",)) or "documents",
        "type_id": OTHER,
        "type": "document collection",
    }
    embedder = row.fields.get("embedder")
    if isinstance(embedder, str) and embedder:
        database["embedding_model"] = embedder
    return database


def _ai(row: Row) -> dict[str, object]:
    """The attributes of the profile, if the record names a model."""
    fields = row.fields
    name = _first(fields, ("model", "to_model"))
    if not name:
        return {}
    # `where` is empty for a model of this machine, else its server.
    model: dict[str, object] = {
        "name": name,
        "ai_provider": _first(fields, ("where", "to_where")) or "Internal",
    }
    digest = _first(fields, ("model_sha256", "to_model_sha256"))
    if digest:
        model["uid"] = digest
    quantization = _first(fields, ("quantization",))
    if quantization:
        model["version"] = quantization
    context: dict[str, object] = {
        "service": {"name": "cloister"},
        "ai_role_id": _USER if row.type == "model.called" else _ASSISTANT,
    }
    if row.request_id:
        context["uid"] = row.request_id
    sent, written = _count(fields, "prompt_tokens"), _count(fields, "completion_tokens")
    if sent is not None:
        context["prompt_tokens"] = sent
    if written is not None:
        context["completion_tokens"] = written
    if sent is not None and written is not None:
        context["total_tokens"] = sent + written
    return {"ai_model": model, "message_context": context}


def _first(fields: Mapping[str, object], names: tuple[str, ...]) -> str:
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _count(fields: Mapping[str, object], name: str) -> int | None:
    """A number of tokens; of an answer the one that `generated_` marks where both are there."""
    value = fields.get(f"generated_{name}", fields.get(name))
    return value if isinstance(value, int) and not isinstance(value, bool) else None
