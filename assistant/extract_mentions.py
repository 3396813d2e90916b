"""A place of a document that could be a field's value, and how well the field's words go with it.

Pure. What `assistant.extract_forms` and `assistant.extract_fields` share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from assistant.evidence import Candidate
from assistant.extract_schema import Field, Type
from assistant.extract_values import Made, holds, made, same, two_readings
from assistant.extract_words import Wanted, clause, credit, dates_itself, named_in, share
from assistant.facts import Fact
from assistant.sentences import one_line
from assistant.terms import Weights, keys

NAMED = 0.85  # of a field's words that make up its name, or the name of a form's entry
_MORE = 0.55  # what the better of label and description counts
_NEAR, _SAID = 0.15, 0.1  # what nearness and the description's words add
NONE = Made("", "")


@dataclass(frozen=True, slots=True)
class Mention:
    """A place that gives a field a value: `made` of the candidate with that number, and how well
    it is supported. `span` is where its evidence stands on the page when that is not the whole
    candidate: one line of a form, or a row with the header that gives it its scale."""

    made: Made
    candidate: int
    score: float
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A document's units, and how telling each word is among them."""

    candidates: tuple[Candidate, ...]
    weigh: Weights


@dataclass(frozen=True, slots=True)
class Seek:
    """One field on its way through a document."""

    field: Field
    want: Wanted
    sheet: Sheet
    near: Sequence[float]

    def score(self, number: int, fit: float) -> float:
        candidate = self.sheet.candidates[number]
        said = share(self.want.said, candidate.keys | candidate.context, self.sheet.weigh)
        return fit + _NEAR * max(0.0, self.near[number]) + _SAID * said

    def fit(self, number: int, text: str, fact: Fact, rivals: Sequence[Fact]) -> float:
        """How much of the field's words go with a fact: those of its label and those of its
        description together, one of them a little more; or those of its label alone where they
        are several or make up its name, said as it stands."""
        heading = keys(self.sheet.candidates[number].unit.heading)
        place = (fact.start, fact.end)
        places = [(each.start, each.end) for each in rivals]
        label, said = (
            credit(words, text, place, places, heading, self.sheet.weigh)
            for words in (self.want.label, self.want.said - self.want.label or self.want.label)
        )
        left, right = clause(text, *place)
        if self.want.itself:
            return float(dates_itself(text[left : place[0]]))
        more = self.want.said - self.want.label
        whole = any(len(w) > 1 and c >= NAMED for w, c in ((self.want.label, label), (more, said)))
        if whole or named_in(self.want.name, text[left:right]):
            return max(label, said)
        return _MORE * max(label, said) + (1 - _MORE) * min(label, said)


def cited(candidates: Sequence[Candidate], mention: Mention) -> str:
    """What a mention is cited from, on one line."""
    unit = candidates[mention.candidate].unit
    if mention.span is None:
        return one_line(unit.plain)
    start, end = mention.span
    if start < unit.start and unit.header is not None:
        return one_line(f"{' '.join(unit.header.cells)} {unit.plain}")
    return one_line(unit.text[start - unit.start : end - unit.start])


def of_fact(
    field: Field,
    text: str,
    fact: Fact,
    at: Mention,
    doubtful: list[Mention],
    scale: int = 0,
) -> Iterator[Mention]:
    """The mention that a fact makes where `at` is; one that makes none is put with the
    `doubtful`."""
    value = made(field, text, fact, scale)
    if value is not None:
        yield replace(at, made=value)
        return
    written = one_line(text[fact.start : fact.end])
    two = "either " if two_readings(fact) else ""
    doubtful.append(replace(at, made=Made(written, two + fact.value)))


def is_chosen(choice: str, text: str) -> bool:
    """Whether a text names a choice: its words one after another, or the same fact otherwise
    written ("each month" for "monthly")."""
    if same(choice, text):
        return True
    return holds(Field((), Type.STRING, ""), choice, text)


def longest(chosen: Sequence[str]) -> list[str]:
    """Choices without those that stand inside another ("low" in "very low")."""
    return [
        each
        for each in chosen
        if not any(each != other and each.lower() in other.lower() for other in chosen)
    ]
