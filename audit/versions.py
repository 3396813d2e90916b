"""The versions of documents that stand in the catalogue, as the records of ingestion tell it.

Pure. It follows that catalogue and log can be compared version by version: two differences that
cancel out in a count are both found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from audit.envelope import parse_envelope
from audit.store import Leaf

Version = tuple[str, str]  # a collection, and the hex SHA-256 of the document's bytes
ADDED = frozenset({"ingest.added", "ingest.version_added"})
_REMOVED = "ingest.removed"
_MAY_ADD = frozenset({"add", "link"})  # actions of `ingest.intended` that can bring a version


@dataclass(frozen=True, slots=True)
class Versions:
    """What the records say of the catalogue: the versions that stand in it now.

    `may_add` and `may_remove` are what was intended last and has neither happened nor been given up
    by the record: a run was cut off there, or is at it now. The next run records what it had done.
    `changing` came or went while the catalogue was being read.
    """

    present: frozenset[Version]
    may_add: frozenset[Version]
    may_remove: frozenset[str]  # collections
    changing: frozenset[Version] = frozenset()


def standing_versions(leaves: Iterable[Leaf], since: int | None = None) -> Versions:
    """Follow the records of ingestion (types `ingest.*`) from the first one on.

    Read the catalogue first and these records after it; `since` is the log's size before either.

    A version of the catalogue is one row: some bytes in one collection. It comes with a change of
    the operation "add", recorded as `ingest.added` (version 1 of its source) or
    `ingest.version_added` (a later one), and goes with "remove", recorded as `ingest.removed`, one
    for each row. The same bytes may be added again, when they are read anew or come back, which
    makes no second row; superseding, withdrawing, linking, moving and describing make and remove
    none. So the rows are exactly the pairs of collection and document whose change of the highest
    generation is an addition.
    """
    last: dict[Version, tuple[int, bool]] = {}
    changing: set[Version] = set()
    intended = _Intended()
    for leaf in leaves:
        fields = parse_envelope(leaf.envelope).get("fields")
        if not isinstance(fields, dict):
            continue
        intended.follow(leaf, fields)
        if leaf.type in ADDED or leaf.type == _REMOVED:
            version = (str(fields.get("collection")), str(fields.get("document")))
            generation = fields.get("generation")
            at = generation if isinstance(generation, int) else 0
            if since is not None and leaf.seq >= since:
                changing.add(version)
            if at >= last.get(version, (0, False))[0]:
                last[version] = (at, leaf.type in ADDED)
    present = frozenset(version for version, (_, added) in last.items() if added)
    removals = frozenset(intended.collections())
    return Versions(present, frozenset(intended.additions), removals, frozenset(changing))


class _Intended:
    """What runs were about to do and have not yet recorded as done.

    A run that ends has recorded all that it did, and before that whatever earlier ones had done
    without saying so; what they had merely intended was then never done.
    """

    def __init__(self) -> None:
        self.additions: dict[Version, tuple[int, str]] = {}  # number of the record, and its run
        self._removals: dict[str, tuple[int, str]] = {}  # by run: that number, and the collection
        self._began: dict[str, int] = {}  # by run

    def collections(self) -> set[str]:
        """Where something was about to be removed."""
        return {collection for _, collection in self._removals.values()}

    def follow(self, leaf: Leaf, fields: Mapping[str, object]) -> None:
        """Take in the next record."""
        run, collection = leaf.request_id, str(fields.get("collection"))
        if leaf.type == "ingest.started":
            self._began[run] = leaf.seq
        elif leaf.type == "ingest.intended":
            self._intend(leaf, collection, fields)
        elif leaf.type == "ingest.finished":
            self._settle(run, self._began.pop(run, 0))
        elif leaf.type in ADDED:
            self.additions.pop((collection, str(fields.get("document"))), None)
        elif leaf.type in (_REMOVED, "ingest.unlinked"):
            self._removals.pop(run, None)

    def _intend(self, leaf: Leaf, collection: str, fields: Mapping[str, object]) -> None:
        documents, action = fields.get("documents"), fields.get("action")
        if not isinstance(documents, list) or not documents:
            return
        if action in _MAY_ADD:
            at = (leaf.seq, leaf.request_id)
            self.additions |= {(collection, str(each)): at for each in documents}
        elif action == "remove":
            self._removals[leaf.request_id] = (leaf.seq, collection)

    def _settle(self, run: str, began: int) -> None:
        self.additions = {
            version: (at, by)
            for version, (at, by) in self.additions.items()
            if at > began and by != run
        }
        self._removals = {
            by: (at, where)
            for by, (at, where) in self._removals.items()
            if at > began and by != run
        }


@dataclass(frozen=True, slots=True)
class VersionBalance:
    """The catalogue beside the log. `unrecorded` and `missing` are what nothing explains.

    `pending` differences are those of a run that was cut off or is under way; `pruned` versions
    have no record because as many or more records were pruned.
    """

    recorded: int
    observed: int
    unrecorded: tuple[Version, ...]
    missing: tuple[Version, ...]
    pending: int
    pruned: int

    @property
    def balanced(self) -> bool:
        """Whether every version has its record and every record its version."""
        return not self.unrecorded and not self.missing

    def text(self) -> str:
        """`versions: recorded=n observed=m` and the differences."""
        return (
            f"versions: recorded={self.recorded} observed={self.observed} "
            f"unrecorded={len(self.unrecorded)} missing={len(self.missing)} "
            f"pending={self.pending} pruned={self.pruned}"
        )


def compare_versions(
    versions: Versions, observed: Collection[Version], pruned: int = 0
) -> VersionBalance:
    """Set the versions that the records tell of beside those `observed` in the catalogue.

    `pruned` is how many records were pruned from the log: so many versions may lack theirs.
    """
    held = frozenset(observed)
    lacking, gone = held - versions.present, versions.present - held
    unrecorded = sorted(lacking - versions.may_add - versions.changing)
    left = gone - versions.changing
    missing = sorted(each for each in left if each[0] not in versions.may_remove)
    pending = len(lacking) - len(unrecorded) + len(gone) - len(missing)
    excused = min(len(unrecorded), pruned)
    return VersionBalance(
        len(versions.present),
        len(held),
        tuple(unrecorded[excused:]),
        tuple(missing),
        pending,
        excused,
    )
