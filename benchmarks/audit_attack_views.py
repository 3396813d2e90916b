"""Hidden in a filtered view (CVE-2023-31437): what each way to look at a log says of it.

A record before the auditor's checkpoint is taken out of what a filter finds: a column that repeats
its envelope is altered, its index is built without it, the record is declared pruned, or it is
removed with all that can be repaired. Then the log is opened by the real writer and looked at by
filter: the auditor's view (checked, and quick by index), `audit list`, exports with and without a
filter, and the proof of the record. What counts: view and list must say TAMPERED, or the log be
refused; a quick view must call itself UNVERIFIED; an export must be refused or hold the record;
a proof must be refused or say exactly what was recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from audit import review
from audit.errors import AuditError
from audit.export_formats import FORMATS, export_file
from audit.log import Log
from audit.proof import make_proof
from audit.record import Actor
from audit.store import Filter, Leaf
from audit.view import look
from audit.view_data import Page, Trust, View, Wanted
from benchmarks.audit_attack_history import COLUMNS, connect
from benchmarks.audit_attackers import ATTACKS, Scene, UnfitError, opened

AUDITOR = Actor("person", "auditor", "local-user", (), "cli")
HIDING = (
    "hidden in a view: type column",
    "hidden in a view: request column",
    "hidden in a view: time column",
    "hidden in a view: left out of an index",
    "pruned by a forged record without a seal",
    "record replaced by its hash in `pruned`, without a record",
    "delete: checkpoints removed",
)
_SAYS = {
    "opening": {"refused"},
    "view": {"TAMPERED", "refused", "whole"},
    "view --quick": {"UNVERIFIED", "refused"},
    "list": {"TAMPERED", "refused", "whole"},
}
_SHOWS = {name: {"refused", "whole"} for name in ("export csv", "export jsonl", "proof")}


def may_say(attack: str, way: str, said: str) -> bool:
    """Whether a way of looking may say this after such an attack. An export or a proof of a log
    that was rewritten as a whole holds what that log holds, under a fresh checkpoint of it: that is
    for the auditor's own checkpoint to show, which `list` is not given."""
    if way == "list" and attack.startswith("delete"):
        return True
    good = _SAYS.get(way) or (_SHOWS.get(way) if attack.startswith("hidden") else None)
    return good is None or said in good


Ways = dict[str, str]
"""Way of looking -> what it said: TAMPERED, UNVERIFIED, refused, whole, hidden."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for, a type or a request, and the numbers of the records that have it."""

    kind: str | None
    request: str | None
    there: frozenset[int]

    def judge(self, found: Iterable[int]) -> str:
        """Whether all that is there was found."""
        return "whole" if self.there <= set(found) else "hidden"


class Looker:
    """Looks at an altered log by every way."""

    def __init__(self, log: Log, scene: Scene, asked: Asked) -> None:
        self._log, self._scene, self._asked = log, scene, asked
        self._out = scene.folder.with_name("out")

    def ways(self) -> Ways:
        """Every way."""
        ways: dict[str, Callable[[], str]] = {
            "view": self._view,
            "view --quick": self._quick,
            "list": self._list,
            "export csv": self._csv,
            "export jsonl": self._jsonl,
            "proof": self._proof,
        }
        said: Ways = {}
        for name, way in ways.items():
            try:
                said[name] = way()
            except AuditError:
                said[name] = "refused"
        return said

    def _look(self, *, quick: bool, anchored: bool = True) -> View:
        note = ("anchored", self._scene.anchor[1].encode())
        wanted = Wanted(type=self._asked.kind, request=self._asked.request)
        page = Page(limit=1000)
        given = (note,) if anchored and not quick else ()
        return look(self._log, AUDITOR, wanted, page, records=True, quick=quick, checkpoints=given)

    def _view(self) -> str:
        return self._checked(self._look(quick=False))

    def _list(self) -> str:
        return self._checked(self._look(quick=False, anchored=False))

    def _checked(self, found: View) -> str:
        if found.checked.trust is Trust.TAMPERED:
            return "TAMPERED"
        return self._asked.judge(line.seq for line in found.lines)

    def _quick(self) -> str:
        return str(self._look(quick=True).checked.trust.value)

    def _csv(self) -> str:
        chosen = Filter(self._asked.kind, request_id=self._asked.request)
        summary = export_file(self._log, AUDITOR, self._out, FORMATS["csv"], chosen=chosen)
        return "whole" if summary.count >= len(self._asked.there) else "hidden"

    def _jsonl(self) -> str:
        out = Path(f"{self._out}.jsonl")
        review.export(self._log, AUDITOR, out)
        lines = out.read_text(encoding="utf-8").splitlines()[1:-1]
        envelopes = [json.loads(json.loads(line).get("envelope") or "{}") for line in lines]
        return self._asked.judge(each["seq"] for each in envelopes if self._fits(each))

    def _fits(self, envelope: Mapping[str, object]) -> bool:
        asked = self._asked
        name, value = ("type", asked.kind) if asked.kind else ("request_id", asked.request)
        return envelope.get(name) == value

    def _proof(self) -> str:
        for seq in self._asked.there:
            if not self._fits(json.loads(make_proof(self._log, seq).envelope)):
                return "hidden"
        return "whole"


def looked_at(scene: Scene, name: str) -> Ways:
    """Hide a record and look. Raises UnfitError."""
    before = _rows(scene)
    ATTACKS[name].work(scene)
    after = _rows(scene)
    changed = [seq for seq, leaf in before.items() if after.get(seq) != leaf]
    hidden = before[changed[0]] if changed else scene.numbers.choice(list(before.values()))
    if "request" in name and not hidden.request_id:
        raise UnfitError
    by_request = "request" in name
    asked = Asked(
        None if by_request else hidden.type,
        hidden.request_id if by_request else None,
        frozenset(
            seq
            for seq, leaf in before.items()
            if (leaf.request_id == hidden.request_id if by_request else leaf.type == hidden.type)
        ),
    )
    said: Ways = {"opening": "refused"}
    with suppress(AuditError), opened(scene.folder) as log:  # also closing may be refused
        said = Looker(log, scene, asked).ways()
    return said


def _rows(scene: Scene) -> dict[int, Leaf]:
    with closing(connect(scene.folder)) as connection:
        rows = connection.execute(f"SELECT {COLUMNS} FROM leaf").fetchall()  # noqa: S608 - constant
    return {row[0]: Leaf(*row) for row in rows}
