"""What each type of record is to a SIEM: how it ended, how much it weighs, and its class in OCSF.

`TYPES` names the types there are, `FAMILIES` what holds for a type that is not named there but
whose first part is; anything else is `DEFAULT`, the Base Event of OCSF, with every field. A test
reads the sources for types and fails for one that falls to `DEFAULT`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

SUCCESS, FAILURE, UNKNOWN = "success", "failure", "unknown"
PLAIN, NOTABLE, SERIOUS, GRAVE = 1, 2, 3, 4

# OCSF 1.8.0 classes by name in the schema; their numbers stand in `audit.export_ocsf`.
BASE = "base_event"
API = "api_activity"
DATA = "datastore_activity"
LOG = "event_log_actvity"  # so spelt in the schema
SIGN_IN = "authentication"
ENTITY = "entity_management"
LIFE = "application_lifecycle"
ERROR = "application_error"

OTHER = 99
_API_READ = 2
_READ, _UPDATE, _QUERY, _WRITE, _CREATE, _DELETE, _LIST = 1, 2, 4, 5, 6, 7, 8
_LOG_DELETE, _LOG_EXPORT, _LOG_START, _LOG_STOP, _LOG_RESTART, _LOG_ENABLE = 2, 3, 6, 7, 8, 9
_LOGON, _LOGOFF = 1, 2
_NEW, _CHANGED, _GONE, _DISABLED, _ACTIVATED = 1, 3, 4, 9, 10
_STARTED, _STOPPED = 3, 4
_GENERAL = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """`outcome` "success", "failure" or "unknown"; `weight` 1 (plain) to 4 (grave); `activity` is
    the activity_id within `ocsf_class`; `name` in words."""

    ocsf_class: str
    activity: int
    outcome: str = SUCCESS
    weight: int = PLAIN
    name: str = ""


DEFAULT = Kind(BASE, OTHER, UNKNOWN)

TYPES: Mapping[str, Kind] = {
    "anchor.failed": Kind(ERROR, _GENERAL, FAILURE, SERIOUS),
    "answer.failed": Kind(API, _API_READ, FAILURE, NOTABLE),
    "audit.reconciled": Kind(LOG, OTHER),
    "clock.stepped": Kind(ERROR, OTHER, UNKNOWN, SERIOUS),
    "collection.created": Kind(DATA, _CREATE),
    "command.failed": Kind(ERROR, _GENERAL, FAILURE, NOTABLE),
    "command.refused": Kind(API, OTHER, FAILURE, NOTABLE),
    "daemon.started": Kind(LOG, _LOG_START),
    "daemon.stopped": Kind(LOG, _LOG_STOP),
    "disk.low": Kind(ERROR, _GENERAL, FAILURE, SERIOUS),
    "disk.recovered": Kind(ERROR, OTHER),
    "document.page_viewed": Kind(DATA, _READ),
    "documents.listed": Kind(DATA, _LIST),
    "egress.blocked": Kind(API, OTHER, FAILURE, GRAVE),
    "erasure.listed": Kind(DATA, _LIST),
    "erasure.probed": Kind(DATA, _READ),
    "hold.placed": Kind(ENTITY, _NEW, weight=NOTABLE),
    "hold.released": Kind(ENTITY, _GONE, weight=NOTABLE),
    "ingest.added": Kind(DATA, _CREATE),
    "ingest.erased": Kind(DATA, _DELETE, weight=NOTABLE),
    "ingest.failed": Kind(DATA, _WRITE, FAILURE, NOTABLE),
    "ingest.finished": Kind(DATA, OTHER),
    "ingest.intended": Kind(DATA, _WRITE, UNKNOWN),
    "ingest.planned": Kind(DATA, OTHER),
    "ingest.purged": Kind(DATA, _DELETE),
    "ingest.quarantined": Kind(DATA, _WRITE, FAILURE, SERIOUS),
    "ingest.released": Kind(DATA, _WRITE),
    "ingest.removed": Kind(DATA, _DELETE),
    "ingest.started": Kind(DATA, OTHER),
    "ingest.stopped": Kind(DATA, OTHER, FAILURE, NOTABLE),
    "ingest.verified": Kind(DATA, _READ),
    "ingest.version_added": Kind(DATA, _CREATE),
    "ingest.views_purged": Kind(DATA, _DELETE),
    "key.added": Kind(ENTITY, _NEW),
    "key.created": Kind(ENTITY, _NEW),
    "key.destroyed": Kind(ENTITY, _GONE),
    "key.refused": Kind(SIGN_IN, _LOGON, FAILURE, SERIOUS),
    "key.revoked": Kind(ENTITY, _DISABLED, weight=NOTABLE),
    "log.closed": Kind(LOG, _LOG_STOP),
    "log.created": Kind(LOG, _LOG_ENABLE),
    "log.exported": Kind(LOG, _LOG_EXPORT, weight=NOTABLE),
    "log.packed": Kind(LOG, _LOG_EXPORT, weight=NOTABLE),
    "log.opened": Kind(LOG, _LOG_START),
    "log.recovered": Kind(LOG, _LOG_RESTART, weight=NOTABLE),
    "log.replay_begun": Kind(DATA, _READ),
    "log.replayed": Kind(DATA, _READ),
    "log.searched": Kind(DATA, _QUERY),
    "log.viewed": Kind(DATA, _READ),
    "model.added": Kind(ENTITY, _NEW),
    "model.called": Kind(API, OTHER, UNKNOWN),
    "model.chosen": Kind(ENTITY, _ACTIVATED, weight=NOTABLE),
    "model.escalated": Kind(API, OTHER, UNKNOWN),
    "model.finished": Kind(API, OTHER),
    "model.loaded": Kind(LIFE, _STARTED),
    "model.lost": Kind(LIFE, _STOPPED, FAILURE, SERIOUS),
    "model.refused": Kind(ENTITY, _ACTIVATED, FAILURE, NOTABLE),
    "model.removed": Kind(ENTITY, _GONE),
    "model.unloaded": Kind(LIFE, _STOPPED),
    "prompt.added": Kind(ENTITY, _NEW),
    "prompt.chosen": Kind(ENTITY, _ACTIVATED, weight=NOTABLE),
    "prompt.refused": Kind(ENTITY, _ACTIVATED, FAILURE, NOTABLE),
    "question.refused": Kind(API, _API_READ, FAILURE, NOTABLE),
    "retention.pruned": Kind(LOG, _LOG_DELETE, weight=NOTABLE),
    "search.failed": Kind(DATA, _QUERY, FAILURE, NOTABLE),
    "session.sign_in_failed": Kind(SIGN_IN, _LOGON, FAILURE, SERIOUS),
    "session.signed_in": Kind(SIGN_IN, _LOGON),
    "session.signed_out": Kind(SIGN_IN, _LOGOFF),
    "task.failed": Kind(API, _API_READ, FAILURE, NOTABLE),
}

FAMILIES: Mapping[str, Kind] = {
    "anchor": Kind(LOG, OTHER),
    "answer": Kind(API, _API_READ),
    "audit": Kind(LOG, OTHER),
    "backup": Kind(DATA, OTHER),
    "checkpoint": Kind(LOG, OTHER),
    "collection": Kind(DATA, _UPDATE),
    "daemon": Kind(LOG, OTHER),
    "document": Kind(DATA, OTHER),
    "documents": Kind(DATA, OTHER),
    "erasure": Kind(DATA, _DELETE, weight=NOTABLE),
    "evidence": Kind(DATA, OTHER, weight=NOTABLE),
    "feedback": Kind(API, OTHER),
    "grant": Kind(ENTITY, _CHANGED, weight=NOTABLE),
    "group": Kind(ENTITY, _CHANGED, weight=NOTABLE),
    "hold": Kind(ENTITY, OTHER, weight=NOTABLE),
    "impact": Kind(DATA, _QUERY),
    "index": Kind(DATA, OTHER),
    "ingest": Kind(DATA, _UPDATE),
    "key": Kind(ENTITY, _CHANGED, weight=NOTABLE),
    "log": Kind(LOG, OTHER),
    "model": Kind(ENTITY, OTHER),
    "payload": Kind(DATA, _DELETE, weight=NOTABLE),
    "prompt": Kind(ENTITY, OTHER),
    "question": Kind(API, _API_READ),
    "recall": Kind(DATA, _QUERY),
    "replay": Kind(API, OTHER),
    "retention": Kind(LOG, OTHER, weight=NOTABLE),
    "role": Kind(ENTITY, _CHANGED, weight=NOTABLE),
    "search": Kind(DATA, _QUERY),
    "session": Kind(SIGN_IN, OTHER),
    "settings": Kind(ENTITY, _CHANGED, weight=NOTABLE),
    "task": Kind(API, _API_READ),
    "verifier": Kind(LOG, _LOG_EXPORT, weight=NOTABLE),
}

_ENDED_WELL = ("stop", "length")


def kind_of(type_: str, fields: Mapping[str, object]) -> Kind:
    """What a record of this type with these clear fields is.

    A type that is in neither table, but whose name ends in "failed" or "refused", is a failure.
    """
    kind = TYPES.get(type_) or _of_family(type_)
    if type_ == "model.finished" and fields.get("outcome") not in _ENDED_WELL:
        kind = replace(kind, outcome=FAILURE, weight=NOTABLE)
    elif type_ == "log.verified" and str(fields.get("state")).startswith("TAMPERED"):
        kind = replace(kind, outcome=FAILURE, weight=GRAVE)
    elif type_ == "audit.reconciled" and fields.get("balanced") is False:
        kind = replace(kind, outcome=FAILURE, weight=SERIOUS)
    return replace(kind, name=type_.replace(".", " ").replace("_", " "))


def _of_family(type_: str) -> Kind:
    kind = FAMILIES.get(type_.partition(".")[0], DEFAULT)
    if type_.endswith(("failed", "refused")):
        return replace(kind, outcome=FAILURE, weight=max(kind.weight, NOTABLE))
    return kind
