"""What files say of themselves: dates, status, what they take the place of, their collection.

From three places, the later one winning: `.cloister.toml` of each folder from the ingested one
downwards (for all files below it), the file's own front matter, and its sidecar, which is its name
with `.cloister.toml` behind it. The keys are `title`, `collection`, `effective_from`,
`effective_to`, `status` and `supersedes`; a folder's file cannot give a title or say what is
superseded. An unknown key is an error, because a misspelt date that is silently ignored is a wrong
date; in front matter, which other programs use too, unknown keys are theirs.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from index.document import Status
from index.records import Declared
from ingest.errors import IngestError

SUFFIX = ".cloister.toml"

_MAX_BYTES = 64 << 10  # of a sidecar
_MAX_TITLE = 200  # characters
_MAX_SUPERSEDED = 100  # names in one file
_COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_KEYS = frozenset({"title", "collection", "effective_from", "effective_to", "status", "supersedes"})
_FOLDER_KEYS = _KEYS - {"title", "supersedes"}
_STATUSES = ", ".join(each.value for each in Status)


class BadFacts(IngestError):
    """A sidecar or front matter cannot be understood. Its message is one sentence."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where} {what}; correct it and run the command again.")


@dataclass(frozen=True, slots=True)
class Facts:
    """What sidecars say of one file: checked values by key, the collection it belongs to (None:
    whichever was named), and a digest that tells one declaration from another, "" for none.
    """

    folder: Mapping[str, object] = field(default_factory=dict)
    own: Mapping[str, object] = field(default_factory=dict)
    digest: str = ""

    @property
    def collection(self) -> str | None:
        """The collection that the sidecars name."""
        named = self.own.get("collection", self.folder.get("collection"))
        return None if named is None else str(named)


NO_FACTS = Facts()


def is_sidecar(name: str) -> bool:
    """Whether a file of this name describes others and is no document itself."""
    return name.endswith(SUFFIX)


def for_file(path: Path, root: Path | None = None, known: Folders | None = None) -> Facts:
    """What the sidecars of the file at `path` say; `root` is the ingested folder it lies under.

    `known` keeps what folders said between calls for many files. Raises BadFacts.
    """
    folders = known if known is not None else Folders()
    folder = folders.of(path.parent, root) if root is not None else {}
    own = _read(path.with_name(path.name + SUFFIX), _KEYS)
    if not folder and not own:
        return NO_FACTS
    return Facts(folder, own, _digest(folder, own))


class Folders:
    """The `.cloister.toml` files of folders, each read once."""

    def __init__(self) -> None:
        self._known: dict[Path, Mapping[str, object]] = {}

    def of(self, folder: Path, root: Path) -> Mapping[str, object]:
        """What holds for files in `folder`: its own file over those above it, up to `root`.

        Raises BadFacts.
        """
        if folder not in self._known:
            above = self.of(folder.parent, root) if _below(folder, root) else {}
            self._known[folder] = {**above, **_read(folder / SUFFIX, _FOLDER_KEYS)}
        return self._known[folder]


def _below(folder: Path, root: Path) -> bool:
    return folder != root and root in folder.parents


def declared(facts: Facts, front: Mapping[str, object] | None = None) -> Declared:
    """The facts of a document: folder files, then its front matter, then its sidecar.

    Raises BadFacts if the front matter has a date or status that is none, or dates out of order.
    """
    inner = {key: value for key, value in (front or {}).items() if key in _KEYS}
    checked = _checked(inner, "The front matter", _KEYS)
    values = {**facts.folder, **checked, **facts.own}
    values.pop("collection", None)
    found = Declared(
        title=str(values.get("title", "")),
        effective_from=_text_or_none(values.get("effective_from")),
        effective_to=_text_or_none(values.get("effective_to")),
        status=Status(str(values.get("status", Status.CURRENT.value))),
        supersedes=_names(values.get("supersedes", ())),
        digest=facts.digest,
    )
    if found.effective_from and found.effective_to and found.effective_to < found.effective_from:
        raise BadFacts("The file", "is declared to cease to be in force before it comes into force")
    return found


def named_collection(facts: Facts, front: Mapping[str, object] | None = None) -> str | None:
    """The collection that a file says it belongs to, None if it does not say.

    Raises BadFacts.
    """
    if "collection" in facts.own:
        return facts.collection
    named = (front or {}).get("collection")
    if named is not None:
        return str(_checked({"collection": named}, "The front matter", _KEYS)["collection"])
    return facts.collection


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, (list, tuple)) else (str(value),)


def _digest(*parts: Mapping[str, object]) -> str:
    text = json.dumps([dict(part) for part in parts], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _read(path: Path, allowed: frozenset[str]) -> Mapping[str, object]:
    """The values in a sidecar, {} if there is none. Raises BadFacts."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise BadFacts(path.name, "cannot be read") from error
    if len(raw) > _MAX_BYTES:
        raise BadFacts(path.name, f"is larger than {_MAX_BYTES >> 10} KiB")
    try:
        values = tomllib.loads(raw.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadFacts(path.name, f"is no TOML file ({_brief(error)})") from error
    return dict(_checked(values, path.name, allowed))


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:80]


def _checked(
    values: Mapping[str, object], where: str, allowed: frozenset[str]
) -> Mapping[str, object]:
    """`values` with days as ISO 8601 text and names as lists. Raises BadFacts."""
    for key in values:
        if key not in allowed:
            raise BadFacts(
                where, f"has the key {key!r}, which is none of {', '.join(sorted(allowed))}"
            )
    return dict(_one(key, value, where) for key, value in values.items())


def _one(key: str, value: object, where: str) -> tuple[str, object]:
    if key.startswith("effective_"):
        return key, _day(key, value, where)
    if key == "supersedes":
        return key, list(_superseded(value, where))
    if not isinstance(value, str) or not value.strip():
        raise BadFacts(where, f"needs a text for {key}")
    text = " ".join(value.split())
    if key == "status" and text not in {each.value for each in Status}:
        raise BadFacts(where, f"has the status {text!r}, which is none of {_STATUSES}")
    if key == "collection" and not _COLLECTION.fullmatch(text):
        raise BadFacts(where, f"names the collection {text!r}, which is not a plain word")
    if key == "title" and len(text) > _MAX_TITLE:
        raise BadFacts(where, f"has a title of more than {_MAX_TITLE} characters")
    return key, text


def _day(key: str, value: object, where: str) -> str:
    """A day as ISO 8601, from a TOML or YAML date or a text."""
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and _DAY.fullmatch(value.strip()):
        try:
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            pass
    raise BadFacts(where, f"needs a day such as 2025-06-30 for {key}")


def _superseded(value: object, where: str) -> Iterator[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or len(names) > _MAX_SUPERSEDED:
        raise BadFacts(where, "needs a name or a list of names for supersedes")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise BadFacts(where, "needs a name or a list of names for supersedes")
        yield name.strip()
