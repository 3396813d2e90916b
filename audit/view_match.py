"""Whether a record fulfils the conditions of a filter. Pure; JSON is read only where bytes hint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.view_data import Wanted
from audit.view_envelope import Head, fields_of
from audit.view_fields import (
    Fields,
    Strength,
    documents_of,
    models_of,
    prompts_of,
    verdict_of,
)

LEAST_DIGITS = 8  # of an id or digest that is cut short
_HEX = frozenset("0123456789abcdef")


def names(wanted: str, found: str) -> bool:
    """Whether `wanted` means `found`: the same text, or the first hex digits of it."""
    if wanted == found:
        return True
    cut = len(wanted) >= LEAST_DIGITS and _HEX.issuperset(wanted)
    return cut and len(found) in (32, 64) and found.startswith(wanted)


def relied_on(
    kind: str, fields: Fields, wanted: Sequence[str]
) -> Iterator[tuple[str, str, Strength]]:
    """What of `wanted` a record of this type relied on in clear: (what, name, strength)."""
    for on, pairs in (
        ("document", documents_of(kind, fields)),
        ("model", models_of(fields)),
        ("prompt", prompts_of(fields)),
    ):
        for value, strength in pairs:
            if any(names(each, value) for each in wanted):
                yield on, value, strength


class Match:
    """The conditions of a filter, one bit each. Time is not among them: an answer's is that of its
    first record."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._family = wanted.type[:-1] if wanted.type and wanted.type.endswith(".*") else None
        self._needles = [
            (bit, text.encode("utf-8", "surrogatepass"))
            for bit, text in ((4, wanted.document), (8, wanted.model), (16, wanted.verdict))
            if text is not None
        ]
        conditions = (wanted.person, wanted.type, wanted.document, wanted.model, wanted.verdict)
        bits = [1 << place for place, text in enumerate(conditions) if text is not None]
        self.all = sum(bits) | (32 if wanted.request is not None else 0)
        self.all |= 64 if wanted.session is not None else 0

    def bits(self, head: Head, envelope: bytes) -> int:
        """Which of the conditions this record fulfils; all of them is `all`."""
        wanted, found = self._wanted, 0
        if wanted.person is not None and head.person == wanted.person:
            found |= 1
        if wanted.type is not None and self._is_type(head.type):
            found |= 2
        if wanted.request is not None and head.request_id == wanted.request:
            found |= 32
        if wanted.session is not None and head.session == wanted.session:
            found |= 64
        for bit, needle in self._needles:
            if bit == 16:
                found |= bit if self._has_verdict(head, envelope, needle) else 0
            elif needle in envelope:
                found |= bit if self._names(bit, head, envelope) else 0
        return found

    def _is_type(self, kind: str) -> bool:
        if self._family is not None:
            return kind.startswith(self._family)
        return kind == self._wanted.type

    def _has_verdict(self, head: Head, envelope: bytes, needle: bytes) -> bool:
        stated = needle in envelope and b'"verdict":"' in envelope
        if not stated and not head.type.endswith((".released", ".failed", ".refused")):
            return False
        return verdict_of(head.type, fields_of(envelope)) == self._wanted.verdict

    def _names(self, bit: int, head: Head, envelope: bytes) -> bool:
        fields = fields_of(envelope)
        if bit == 4:
            document = self._wanted.document or ""
            listed = documents_of(head.type, fields)
            asked = fields.get("documents") or fields.get("document")
            others = asked if isinstance(asked, list) else [asked]
            named = [*(each for each, _ in listed), *(str(each) for each in others if each)]
            return any(names(document, each) for each in named)
        model = self._wanted.model or ""
        return any(names(model, each) for each, _ in models_of(fields))
