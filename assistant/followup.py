"""A follow-up made into a question that stands alone, by rules; a model is asked where they end.

Pure. What a question leaves out is taken from earlier *questions* of the conversation: the noun
phrase that a pronoun stands for, the question that a fragment ("And for visitor logs?") varies,
what a bare "the deadline" belongs to. Names, dates and clause numbers of the earlier question are
kept unless the new one puts others in their place. A question that stands alone is left as it is.

An earlier answer is never evidence and gives no words but one: the person whom "he" or "she"
means, if the earlier question asked who, the answer cites a document and names exactly one. That
name is searched for (`Understood.named_in_answer`); nothing else rests on it, since the gate looks
at pages alone.

It knows English. `docs/conversation.md` lists the rules and what they miss.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from assistant import completing, facts, names
from assistant.answer import Turn
from assistant.completing import Completed
from assistant.expects import expected
from assistant.facts import Fact, Kind
from assistant.phrases import named
from assistant.terms import fold, keys, terms

LONGEST = 2_000  # characters of a question that the rules look at
_TURNS_BACK = 8  # that are read to know what the conversation is about
_NEAREST = 4  # earlier questions that a word may point to
_LONGEST_REWRITING = 400  # characters
_LEAD = re.compile(r"^(?:(?:rewritten|standalone|self-contained)?\s*question\s*:\s*)", re.I)
_NEGATION = re.compile(r"\b(?:not|no|never|without|except|unless|non)\b|n't\b", re.IGNORECASE)

How = Literal["as asked", "rules", "model"]


@dataclass(frozen=True, slots=True)
class Understood:
    """A question as it is searched for and shown ("Understood as: ...").

    `how` says what completed it, "as asked" if nothing did. `carried` are the words that were not
    in the question as asked, `named_in_answer` those of them that stood in an earlier answer only.
    `notes` say in a few words what was done, for the record.
    """

    text: str
    how: How
    carried: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    named_in_answer: tuple[str, ...] = ()


def permitted(history: Sequence[Turn], may_read: Callable[[str], bool]) -> tuple[Turn, ...]:
    """The turns of which the asker may still read every document that was cited; any other is left
    out entirely, since its answer, and the question that led to it, may tell what it says."""
    return tuple(turn for turn in history if all(map(may_read, turn.documents)))


def understand(
    text: str,
    history: Sequence[Turn],
    rewrite: Callable[[str], str] | None = None,
    titles: Sequence[str] = (),
) -> Understood:
    """What `text` asks after the turns `history` (oldest first, already `permitted`).

    `rewrite` takes `conversation` and returns what a model wrote (`assistant.rewriting`); it is
    called only if the question leans on the conversation and the rules cannot say how. `titles` are
    those of documents that were cited: "the manual" may mean one.
    """
    text = text.strip()[:LONGEST]
    earlier = _earlier(history)
    if not text or not earlier:
        return Understood(text, "as asked")
    made = completing.complete(text, earlier, _person(history), titles)
    if made is None:
        return Understood(text, "as asked")
    if not made.sure and rewrite is not None:
        written = accepted(rewrite(conversation(text, earlier)), text, (*earlier, *titles))
        if written:
            return _understood(text, Completed(written, True, "rewritten by the model"), "model")
    return _understood(text, made, "rules") if made.text else Understood(
        text, "as asked", notes=(made.note,)
    )  # fmt: skip


def _understood(asked: str, made: Completed, how: How) -> Understood:
    own = {term.key for term in terms(asked)}
    added: dict[str, str] = {}
    for term in terms(made.text):
        if term.key not in own:
            added.setdefault(term.key, term.text)
    if not added:
        return Understood(asked, "as asked")
    from_answer = {term.key for term in terms(made.from_answer)}
    return Understood(
        made.text,
        how,
        tuple(added.values()),
        (made.note,),
        tuple(word for key, word in added.items() if key in from_answer),
    )


def _earlier(history: Sequence[Turn]) -> tuple[str, ...]:
    """The last questions, latest first, each completed by rules from those before it."""
    resolved: list[str] = []
    turns = history[-_TURNS_BACK:]
    for number, turn in enumerate(turns):
        text = turn.question.strip()[:LONGEST]
        before = tuple(reversed(resolved))[:_NEAREST]
        made = completing.complete(text, before, _person(turns[:number])) if before else None
        if text:
            resolved.append(made.text if made is not None and made.text else text)
    return tuple(reversed(resolved))[:_NEAREST]


def _person(history: Sequence[Turn]) -> str:
    """The one person whom the last cited answer to a question for a person names; "" if it names
    none or several. A name of two words or more: one could be any capitalised word."""
    for turn in reversed(history[-_NEAREST:]):
        if Kind.NAME not in expected(turn.question) or not turn.documents:
            continue
        asked = {fact.value for fact in named(turn.question)}
        found = {
            fact.value: turn.answer[fact.start : fact.end]
            for fact in named(turn.answer)
            if fact.kind is Kind.NAME and fact.value not in asked and " " in fact.value
        }
        return next(iter(found.values())) if len(found) == 1 else ""
    return ""


def conversation(question: str, earlier: Sequence[str]) -> str:
    """What a model is told of the conversation; `earlier` are questions, latest first."""
    listed = "\n".join(f"- {_line(each)}" for each in reversed(earlier))
    return f"Earlier questions:\n{listed}\nLast question: {_line(question)}"


def _line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_REWRITING]


def accepted(untrusted: str, question: str, sources: Sequence[str]) -> str:
    """A model's rewriting if it may be used, else "".

    A small model invents, so its text is taken only if it can have come from nowhere but the
    conversation: it keeps every word of the question that tells something, every name, number, date
    and clause number; what it adds stands in `sources`, the earlier questions and titles, or is a
    function word; and it negates nothing that was not negated.
    """
    text = _LEAD.sub("", " ".join(untrusted.split())).strip(" \"'“”*")
    if not text.endswith("?") or text.count("?") != 1 or len(text) > _LONGEST_REWRITING:
        return ""
    ours, source = facts.extract(question), " \n".join((question, *sources))
    if not all(_kept(fact, question, text) for fact in ours):
        return ""
    if not _negations(text) <= _negations(source):
        return ""
    given, present = facts.extract(source), names.words(source)
    if not all(_given(fact, given, present) for fact in facts.extract(text)):
        return ""
    added = keys(text) - keys(question)
    return text if added and added <= keys(source) and keys(question) <= keys(text) else ""


def _kept(fact: Fact, question: str, text: str) -> bool:
    if fact.kind is Kind.NAME:
        return fact.noun == "initial" or names.occurs(fact.value, names.words(text))
    written = " ".join(question[fact.start : fact.end].split()).lower()
    return written in text.lower() and any(
        (other.kind, other.value) == (fact.kind, fact.value) for other in facts.extract(text)
    )


def _given(fact: Fact, given: Sequence[Fact], present: tuple[str, ...]) -> bool:
    if fact.kind is Kind.NAME:
        return fact.noun == "initial" or names.occurs(fact.value, present)
    return any(facts.entails(fact, other) for other in given)


def _negations(text: str) -> frozenset[str]:
    return frozenset(_NEGATION.findall(fold(text)))
