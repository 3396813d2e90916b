"""Which key may have signed which size, and by whose word: the epochs of a log.

Epoch 1 has the key that `log.created` names; each `key.rotated` record, numbered r, begins the next
epoch. A checkpoint of size S is signed by epoch 1 + (the number of rotations numbered below S - 1),
so the one of size r + 1, the handover, is still signed by the key before. Whoever trusts that key
can therefore trust the next: only one public key is needed, and no later key can speak for an
earlier size (what CVE-2023-31439 allowed in another log).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from audit.checkpoint import VerifierKey, parse_verifier_key
from audit.errors import KeyFormatError
from audit.findings import Findings
from audit.verify_rows import Notable


class Word(Enum):
    """Why the key of an epoch is believed."""

    GIVEN = "given"  # the verifier was handed it
    HANDED_OVER = "handed over"  # the epoch before signed the checkpoint that names it
    VOUCHED_FOR = "vouched for"  # only a later epoch's checkpoints cover the record that names it
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch: its number from 1, its key, and the sizes that it signs, first to last (None: it
    is in force). `rotated_by` is the number of the record that began it."""

    number: int
    key: VerifierKey
    first: int
    last: int | None
    rotated_by: int


@dataclass(frozen=True, slots=True)
class EpochWord:
    """What a report says of one epoch: number, hex key id, sizes, and why its key is believed."""

    number: int
    key_id: str
    first: int
    last: int | None
    word: str


def epochs_of(notable: Sequence[Notable], origin: str, findings: Findings) -> tuple[Epoch, ...]:
    """The epochs that the log's own records tell; empty if it does not begin as a log does."""
    begun: list[Epoch] = []
    for number, kind, fields in notable:
        if kind == "log.created":
            if number != 0:
                findings.add(f"record {number} begins the log a second time")
                continue
            key = _key(fields.get("verifier_key"), origin)
            if key is None or fields.get("origin") != origin:
                findings.add("the first record does not name this log and its key")
                return ()
            begun.append(Epoch(1, key, 0, None, 0))
        elif kind == "key.rotated":
            if not begun:
                break
            begun = _rotated(begun, number, fields, findings)
    if not begun and notable:
        findings.add("the first record is not the one that begins a log")
    return tuple(begun)


def _rotated(
    begun: list[Epoch], number: int, fields: dict[str, object], findings: Findings
) -> list[Epoch]:
    before = begun[-1]
    key = _key(fields.get("verifier_key"), before.key.name)
    known = {epoch.key for epoch in begun}
    follows = fields.get("epoch") == before.number + 1
    if (
        key is None
        or key in known
        or not follows
        or fields.get("previous_key") != before.key.text()
    ):
        findings.add(f"record {number} does not begin the epoch after {before.number}")
        return begun
    ended = Epoch(before.number, before.key, before.first, number + 1, before.rotated_by)
    return [*begun[:-1], ended, Epoch(before.number + 1, key, number + 2, None, number)]


def _key(text: object, origin: str) -> VerifierKey | None:
    try:
        key = parse_verifier_key(text) if isinstance(text, str) else None
    except KeyFormatError:
        return None
    return key if key is not None and key.name == origin and key.text() == text else None


def in_force(epochs: Sequence[Epoch], size: int) -> Epoch:
    """The epoch whose key signs a checkpoint of `size`; `epochs` holds at least one."""
    return epochs[bisect_right(epochs, size, key=lambda epoch: epoch.first) - 1]


def words_for(
    epochs: Sequence[Epoch], keys: Collection[VerifierKey], sealed: Collection[int]
) -> tuple[EpochWord, ...]:
    """Why each epoch's key is believed, given the `keys` and the sizes whose stored checkpoint
    holds."""
    words: list[Word] = []
    for epoch in epochs:
        before = words[-1] if words else Word.UNKNOWN
        if epoch.key in keys:
            words.append(Word.GIVEN)
        elif before in (Word.GIVEN, Word.HANDED_OVER) and epoch.first - 1 in sealed:
            words.append(Word.HANDED_OVER)
        else:
            words.append(Word.UNKNOWN)
    oldest = next((place for place, word in enumerate(words) if word is Word.GIVEN), 0)
    # A later key covers the earlier records only once a checkpoint of its own holds.
    if oldest and any(epochs[oldest].first <= size for size in sealed):
        words[:oldest] = [Word.VOUCHED_FOR] * oldest
    return tuple(
        EpochWord(epoch.number, epoch.key.key_id.hex(), epoch.first, epoch.last, word.value)
        for epoch, word in zip(epochs, words, strict=True)
    )


def check_keys(
    epochs: Sequence[Epoch], keys: Sequence[VerifierKey], origin: str, findings: Findings
) -> None:
    """Every given key that is named after this log must be one that came into force in it.

    One that did not says that this is another history: rewritten, or cut off before its epoch.
    """
    own = [key for key in keys if key.name == origin]
    if not own:
        findings.add(f"none of the given public keys belongs to this log ({origin})")
    known = {epoch.key for epoch in epochs}
    for key in own:
        if epochs and key not in known:
            findings.add(f"the given key {key.key_id.hex()} never came into force in this log")


def check_handovers(epochs: Sequence[Epoch], sealed: Collection[int], findings: Findings) -> None:
    """Each rotation must have its handover checkpoint, stored and holding."""
    for epoch in epochs:
        if epoch.last is not None and epoch.last not in sealed:
            findings.add(
                f"the checkpoint of {epoch.last} records that hands over from epoch "
                f"{epoch.number} to epoch {epoch.number + 1} is gone or does not hold"
            )
