"""A field's value by rules: every place of a document that could be it, and the decision.

Pure: units, their nearness to the field and word weights in, one decision out. A value is taken
where a form names the field ("Notice period: 30 days", a row or column of a table), where a fact of
the field's kind stands with the field's words, where a text ties a name to them, and, for yes or no
or for a clause as a whole, from the sentence itself. Two values that are as well supported make the
field ambiguous; both are returned and neither is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from assistant import extract_phrases, extract_polarity
from assistant.extract_forms import entries
from assistant.extract_mentions import (
    NAMED,
    NONE,
    Mention,
    Seek,
    Sheet,
    cited,
    is_chosen,
    longest,
    of_fact,
)
from assistant.extract_schema import Field, Type
from assistant.extract_values import LONGEST, Made, facts_of, holds
from assistant.extract_words import (
    credit,
    kin,
    share,
    wanted,
)
from assistant.facts import Fact, Kind
from assistant.sentences import one_line
from assistant.terms import keys

ACCEPT = 0.6  # of a field's words must go with a value
_ACCEPT_YES = 0.72  # of them must stand in a sentence that answers yes or no
_OWN = 0.5  # of them in the sentence itself, not only in its heading
_ACCEPT_CLAUSE = 0.8  # of them and of the heading in a sentence that is given whole
_CLOSE = 0.12  # values that differ by less are as well supported
_LISTED = 0.25  # a list takes what is not further from its best
_PROSE = re.compile(
    r"\b(?:clause|terms|conditions?|obligations?|purpose|summary|scope|description|provisions?"
    r"|wording|text|details|requirements?|grounds|remed(?:y|ies)|responsibilities|restrictions?"
    r"|arrangements?|how|why|what (?:the|this|it)\b.*\bsays)\b",
    re.IGNORECASE,
)
_PARTIES = frozenset({"parti", "party", "counterparty"})
_NUMBERING = re.compile(r"\s*(?:§\s*)?\(?(?:\d+(?:\.\d+)*|[a-z]|[ivx]+)[.)]?(?=\s)")


class Reason(StrEnum):
    """Why a field has no value."""

    NOT_FOUND = "NOT_FOUND"  # the document does not state it where it was looked for
    UNSUPPORTED = "UNSUPPORTED"  # what was found does not say it in the form that is asked for
    AMBIGUOUS = "AMBIGUOUS"  # different values are as well supported


@dataclass(frozen=True, slots=True)
class Decision:
    """The mentions of the value that was chosen (several for a list); or none, the reason, and the
    mentions that it could not be chosen from."""

    chosen: tuple[Mention, ...]
    reason: Reason | None = None
    rivals: tuple[Mention, ...] = ()


def decide(field: Field, sheet: Sheet, near: Sequence[float]) -> Decision:
    """The value of `field` in a document. `near` is the cosine of each candidate to the field's
    words, in their order (0 where it was not measured)."""
    seek = Seek(field, wanted(field), sheet, near)
    doubtful: list[Mention] = []
    found = [*entries(seek, doubtful)]
    if field.type is Type.BOOLEAN:
        found += _answers(seek)
    elif field.type is Type.CHOICE:
        found += _choices(seek)
    else:
        found += _stated(seek, doubtful)
        if field.type is Type.STRING and (not seek.want.kinds or Kind.NAME in seek.want.kinds):
            found += _names(seek)
    found = [each for each in found if _passes(seek, each)]
    if not found and field.type is Type.STRING and not seek.want.kinds and not field.many:
        found = list(_clauses(seek))
    decision = _listed(found) if field.many else _best(field, found)
    if decision.chosen and not field.many:
        best = decision.chosen[0]
        unsure = [each for each in doubtful if each.score >= best.score - _CLOSE]
        if unsure:  # "two weeks" where days are asked for, and "three months" as well
            return Decision((), Reason.AMBIGUOUS, (best, *_distinct(unsure)[:4]))
    if not decision.chosen and decision.reason is Reason.NOT_FOUND and doubtful:
        two = any(each.made.normal.startswith("either ") for each in doubtful)
        reason = Reason.AMBIGUOUS if two else Reason.UNSUPPORTED
        return Decision((), reason, tuple(_distinct(doubtful)))
    return decision


def _passes(seek: Seek, mention: Mention) -> bool:
    """The gate: the value stands in what is cited for it."""
    return holds(seek.field, mention.made.value, cited(seek.sheet.candidates, mention))


# -- running text ----------------------------------------------------------------------------------


def _stated(seek: Seek, doubtful: list[Mention]) -> Iterator[Mention]:
    """Facts of the field's kinds that stand with its words. A name needs more: see `_names`."""
    kinds = seek.want.kinds - {Kind.NAME}
    for number, candidate in enumerate(seek.sheet.candidates):
        if candidate.unit.cells:
            continue
        text = candidate.unit.plain
        numbering = _NUMBERING.match(text)
        after = numbering.end() if numbering else 0
        rivals = [f for f in facts_of(text) if f.kind in kinds and f.start >= after]
        told = _preferred(kinds, rivals)
        for fact in told:
            fit = seek.fit(number, text, fact, rivals)
            if fit >= ACCEPT:
                score = seek.score(number, fit)
                at = Mention(NONE, number, score)
                yield from of_fact(seek.field, text, fact, at, doubtful)


def _preferred(kinds: frozenset[Kind], stated: Sequence[Fact]) -> Sequence[Fact]:
    """Without plain numbers where money is asked for: in running text money has a currency."""
    if Kind.AMOUNT not in kinds:
        return stated
    return [fact for fact in stated if fact.kind is not Kind.NUMBER]


def _names(seek: Seek) -> Iterator[Mention]:
    """Names that the document ties to the field's words."""
    weigh, label = seek.sheet.weigh, seek.want.label
    everybody = seek.field.many and bool(label & _PARTIES)
    for number, candidate in enumerate(seek.sheet.candidates):
        text = candidate.unit.plain
        if candidate.unit.cells:
            continue
        if everybody:
            for phrase in extract_phrases.parties(text):
                yield _named(seek, number, phrase.text, 1.0)
            continue
        meant = extract_phrases.defined(text, lambda term: share(label, keys(term), weigh) >= NAMED)
        if meant is not None:
            yield _named(seek, number, meant.text, 1.1)
        heading = keys(candidate.unit.heading)
        if share(label, candidate.keys | heading, weigh) < ACCEPT:
            continue
        for phrase in extract_phrases.tied(text, lambda term: kin(term.key, label)):
            place = (phrase.start, phrase.end)
            fit = credit(label, text, place, (), heading, weigh)
            if fit >= ACCEPT:
                yield _named(seek, number, phrase.text, fit)


def _named(seek: Seek, number: int, text: str, fit: float) -> Mention:
    name = one_line(text)
    return Mention(Made(name, name.lower()), number, seek.score(number, fit))


def _answers(seek: Seek) -> Iterator[Mention]:
    """Sentences that say yes or no."""
    for number, candidate in enumerate(seek.sheet.candidates):
        unit = candidate.unit
        if unit.cells or unit.text.rstrip().endswith((":", "?")):
            continue
        present = candidate.keys | keys(unit.heading)
        for words in (seek.want.said, seek.want.label):
            fit = share(words, present, seek.sheet.weigh)
            own = share(words, candidate.keys, seek.sheet.weigh)
            if fit < _ACCEPT_YES or own < _OWN:
                continue
            said = extract_polarity.verdict(seek.field.question, words, unit.plain)
            if said is not None:
                yield Mention(Made(said, str(said)), number, seek.score(number, fit))
            break


def _choices(seek: Seek) -> Iterator[Mention]:
    """Choices that a sentence names together with the field's words."""
    for number, candidate in enumerate(seek.sheet.candidates):
        text = candidate.unit.plain
        chosen = longest([each for each in seek.field.choices if is_chosen(each, text)])
        present = candidate.keys | keys(candidate.unit.heading)
        for choice in chosen:
            rest = frozenset().union(*(keys(each) for each in chosen))
            label = (seek.want.label - rest) or seek.want.label
            fit = max(
                share(label, present, seek.sheet.weigh),
                share(seek.want.said - rest, present, seek.sheet.weigh),
            )
            if fit >= ACCEPT:
                yield Mention(Made(choice, choice), number, seek.score(number, fit))


def _clauses(seek: Seek) -> Iterator[Mention]:
    """Whole sentences, for a field that asks what a document says about something."""
    if not _PROSE.search(f"{seek.field.label} {seek.field.description}"):
        return
    telling = seek.want.label - keys("clause terms condition provision text wording detail")
    best: Mention | None = None
    for number, candidate in enumerate(seek.sheet.candidates):
        present = candidate.keys | keys(candidate.unit.heading)
        fit = share(telling or seek.want.label, present, seek.sheet.weigh)
        whole = one_line(candidate.unit.plain)
        if fit < _ACCEPT_CLAUSE or len(whole) > LONGEST or candidate.unit.cells:
            continue
        mention = Mention(Made(whole, whole.lower()), number, seek.score(number, fit))
        if best is None or mention.score > best.score:
            best = mention
    if best is not None:
        yield best


# -- deciding --------------------------------------------------------------------------------------


def _distinct(found: Sequence[Mention]) -> list[Mention]:
    """The best mention of each value, best first."""
    kept: dict[str, Mention] = {}
    for each in sorted(found, key=lambda m: (-m.score, m.candidate)):
        kept.setdefault(each.made.normal, each)
    return list(kept.values())


def _best(field: Field, found: Sequence[Mention]) -> Decision:
    values = _distinct(found)
    if not values:
        return Decision((), Reason.NOT_FOUND)
    first = values[0]
    rivals = [each for each in values[1:] if each.score >= first.score - _CLOSE]
    rivals = [each for each in rivals if not _inside(field, first.made, each.made)]
    if rivals:
        return Decision((), Reason.AMBIGUOUS, (first, *rivals[:4]))
    return Decision((first,))


def _inside(field: Field, first: Made, other: Made) -> bool:
    """Whether two texts are one value, told in full and in short ("Acme Ltd", "Acme")."""
    if field.type is not Type.STRING:
        return first.value == other.value
    short, long = sorted((str(first.value), str(other.value)), key=len)
    return holds(field, short, long)


def _listed(found: Sequence[Mention]) -> Decision:
    values = _distinct(found)
    if not values:
        return Decision((), Reason.NOT_FOUND)
    near = [each for each in values if each.score >= values[0].score - _LISTED]
    return Decision(tuple(sorted(near, key=lambda m: m.candidate)))
