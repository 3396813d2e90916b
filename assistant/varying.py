"""An earlier question asked anew with one of its phrases exchanged: "And for visitor logs?".

Pure. A date takes the place of a date, a name that of a name, an amount that of an amount, a role
that of a role; another phrase that of one with the same last word, of the one after the same
preposition, or of what the question is about. What finds no place is added at the end, so nothing
of the earlier question is lost without something in its stead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant import facts
from assistant.facts import Kind
from assistant.phrases import ROLES, Phrase, Sort, listed, named, phrases, stems, words_of
from assistant.terms import fold, stem, terms

AGENTS = stems(
    """bank company firm organisation organization hospital group employer controller processor
    regulator authority clinic insurer institution department team committee board office court
    pharmacy council ministry agency supplier lender landlord tribunal"""
)
ATTACHING = listed("of for to in under with on from about against above over below between at")
_TRAILING = re.compile(r"[\s,]*(?:\b(?:then|too|as well|instead|please|also))?[\s?.!,]*$", re.I)
_YEAR = re.compile(r"(?:19|20)\d\d")
_QUARTER = re.compile(r"\bQ[1-4]\b(?!\s*[/-]?\s*(?:19|20)\d\d)", re.IGNORECASE)
_ANY_QUARTER = re.compile(r"\bQ[1-4]\b|\b(?:first|second|third|fourth) quarter\b", re.IGNORECASE)
_DATED = r"(?:\b(?:in|for|of|as of|on|during|from|at the end of|by|since|until)\s+)?"
_PREPOSED = re.compile(
    r"(for|of|in|on|at|to|from|by|with|under|about|during|after|before|until|since|within|over"
    r"|below|above|against|between|without|outside|inside|as)\s+",
    re.IGNORECASE,
)
_ADDED = re.compile(r"(?:abroad|online|overseas|remotely|digitally|\w+ly)$", re.IGNORECASE)
_ONE = re.compile(
    r"(?:the |an? )?ones?\s+(?=(?:with|of|for|from|at|in|on|under|by)\b)"
    r"|(?:that|those)\s+(?=(?:of|for|from|in|with)\b)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\d\S*$")
_SUCH_ONE = re.compile(r"\bones?\s*$", re.IGNORECASE)
_GROUPS = (("for", "of", "about"), ("in", "at", "on"))
_MEASURES = (Kind.AMOUNT, Kind.DURATION, Kind.PERCENT, Kind.QUANTITY, Kind.TIME, Kind.FREQUENCY)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a question is about: `question[start:end]`, a phrase with what is attached to it."""

    phrase: Phrase
    start: int
    end: int
    text: str


def extended(question: str, found: Sequence[Phrase], phrase: Phrase) -> Subject:
    """A phrase with the ones attached to it: "exceptions" with "to the travel policy"."""
    end = phrase.end
    for following in found:
        between = question[end : following.start]
        if following.start > end and between.strip() and fold(between.strip()) in ATTACHING:
            end = following.end
    return Subject(phrase, phrase.start, end, question[phrase.start : end])


def asked_with(question: str, phrase: Phrase) -> bool:
    """Whether a phrase belongs to the question words ("which system", "what percentage")."""
    before = [word for word in words_of(question) if word.end <= phrase.start]
    return bool(before) and fold(before[-1].text) in ("which", "what", "whose", "many", "much")


def subject_of(question: str) -> Subject | None:
    """What a question is about, None if it holds no phrase: not a date, not who acts if somebody
    does something to something, and rather the thing than its side ("the fee *for a card*")."""
    found = phrases(question)
    usable = [p for p in found if p.sort is not Sort.DATE and not asked_with(question, p)]
    things = [p for p in usable if p.head not in AGENTS] or usable
    if not things:
        others = [p for p in found if p.sort is not Sort.DATE]
        return extended(question, found, others[0]) if others else None
    first = things[0]
    if first.side or (first.person and len(things) > 1 and not things[1].after):
        for other in things[1:]:
            if not other.side:
                return extended(question, found, other)
    return extended(question, found, first)


def ended(made: str, earlier: str) -> str:
    """`made` with the names, dates and numbers of clauses of `earlier` that it lacks, in brackets;
    one of a sort that `made` names itself is not missing."""
    have = named(made)
    kinds = {fact.kind for fact in have if fact.kind is not Kind.NAME}
    present = {term.key for term in terms(made)}
    missing = []
    for fact in named(earlier):
        text = earlier[fact.start : fact.end].removesuffix("'s").removesuffix("’s")
        if fact.kind not in kinds and not {term.key for term in terms(text)} <= present:
            missing.append(text)
    if not missing:
        return made
    return f"{made.rstrip(' ?.!')} ({', '.join(dict.fromkeys(missing))})?"


def vary(earlier: str, fragment: str) -> str:
    """`earlier` asked with what `fragment` puts in place of a part of it; "" if that is nothing."""
    new = _TRAILING.sub("", fragment)
    preposed = _PREPOSED.match(new)
    inner = new[preposed.end() :] if preposed else new
    plain = _ONE.sub("", inner, count=1)
    if plain != inner and _ONE.match(inner):
        new = plain
    if not terms(new):
        return ""
    question = earlier.rstrip(" ?.!")
    words = words_of(new)
    if words[0].class_ == "conj":
        return f"{question} {new}?"
    question, new = _dates(question, new)
    new = new.strip(" ,")
    if terms(new):
        question = _placed(question, new)
    return f"{question}?"


def _dates(question: str, new: str) -> tuple[str, str]:
    """The question with the dates of `new`, and what else `new` says."""
    quarter = _QUARTER.search(new)
    found = [fact for fact in named(new) if fact.kind is Kind.DATE]
    if quarter and not found:
        old = _ANY_QUARTER.search(question)
        if old:
            question = question[: old.start()] + quarter.group().upper() + question[old.end() :]
            return question, re.sub(_DATED + re.escape(quarter.group()), "", new, flags=re.I)
    for fact in found:
        text = new[fact.start : fact.end]
        old_dates = [each for each in named(question) if each.kind is Kind.DATE]
        if not old_dates:
            said = re.search(_DATED + re.escape(text), new, re.IGNORECASE)
            phrase = said.group().strip() if said else text
            phrase = phrase if phrase != text else f"in {text}"
            question = f"{question} {phrase}"
        else:
            last = old_dates[-1]
            start, end = last.start, last.end
            year = _YEAR.search(question[start:end])
            if _YEAR.fullmatch(text) and year:
                start, end = start + year.start(), start + year.end()
            question = question[:start] + text + question[end:]
        new = re.sub(_DATED + re.escape(text), "", new, count=1, flags=re.I)
    return question, new


def _placed(question: str, new: str) -> str:
    """The question with `new` in the place of a phrase of the same sort, or added to it."""
    preposed = _PREPOSED.match(new)
    prep = fold(preposed.group(1)) if preposed else ""
    bare = _with_head(question, new[preposed.end() :] if preposed else new)
    if _ADDED.match(bare):
        return f"{question} {bare}"
    swapped = _same_sort(question, bare)
    if swapped:
        return swapped
    found = phrases(question)
    fresh = phrases(bare)
    head = fresh[0].head if fresh else stem(bare.split()[-1])
    if fresh and fresh[0].relational and not prep:
        return _other_side(question, bare, fresh[0])
    if prep and prep not in ("for", "of", "with", "about"):
        return _after(question, found, prep, bare) or f"{question} {prep} {bare}"
    placed = _after(question, found, prep, bare) if prep == "of" else ""
    alike = None if placed else _alike(question, found, fresh, head)
    if alike is not None:
        return question[: alike.start] + bare + question[alike.end :]
    placed = placed or (_after(question, found, prep, bare) if prep else "")
    subject = subject_of(question)
    if placed or subject is None:
        return placed or f"{question} {prep or 'for'} {bare}"
    if subject.phrase.relational:
        return f"{question} for {bare}"
    return question[: subject.start] + bare + question[_end(question, found, subject) :]


def _with_head(question: str, new: str) -> str:
    """`new` with the noun that its last word stands for: "a medium risk one"."""
    if not _SUCH_ONE.search(new):
        return new
    shared = {term.key for term in terms(new)}
    found = [p for p in phrases(question) if shared & {term.key for term in terms(p.text)}]
    subject = found[0] if found else next(iter(phrases(question)), None)
    return _SUCH_ONE.sub(subject.text.split()[-1], new) if subject else new


def _alike(
    question: str, found: Sequence[Phrase], fresh: Sequence[Phrase], head: str
) -> Phrase | None:
    """The phrase that is of the same sort as a new one: the same last word, another who acts, or a
    numbered thing with the same noun."""
    who = AGENTS | ROLES
    told = {term.key for term in terms(fresh[0].text)} if fresh else frozenset()
    for old in found:
        if asked_with(question, old) or old.side:
            continue
        numbered = bool(fresh) and _NUMBERED.search(old.text) and _NUMBERED.search(fresh[0].text)
        shared = told & {term.key for term in terms(old.text)}
        if old.head == head or (head in who and old.head in who) or (numbered and shared):
            return old
    return None


def _end(question: str, found: Sequence[Phrase], subject: Subject) -> int:
    """Where the thing ends that gives way: names and dates attached to it stay."""
    kept = (Sort.DATE, Sort.NAME, Sort.IDENTIFIER)
    for following in found:
        attached = subject.phrase.end < following.start < subject.end
        if attached and (following.sort in kept or following.after != "of"):
            between = question[subject.start : following.start].rstrip()
            return subject.start + len(between) - len(following.after) - 1
    return subject.end


def _after(question: str, found: Sequence[Phrase], prep: str, new: str) -> str:
    """The question with `new` in the place of what follows the same preposition, or ""."""
    group = next((each for each in _GROUPS if prep in each), (prep,))
    for same in ((prep,), group):
        for old in reversed(found):
            if old.after in same and old.sort is not Sort.DATE:
                before = question[: old.start]
                if old.after != prep:  # "in branches" gives way to "at ATMs"
                    before = re.sub(rf"\b{old.after}\s+$", f"{prep} ", before, flags=re.I)
                return before + new + question[old.end :]
    return ""


def _same_sort(question: str, new: str) -> str:
    """The question with a name for a name, a clause for a clause, an amount for an amount; "" if
    `new` is none or the question holds none."""
    mine = facts.extract(new)
    whole = [f for f in (*named(new), *mine) if f.end - f.start >= len(new.removeprefix("the "))]
    if not whole:
        return ""
    kind = whole[0].kind
    if kind is Kind.NAME or kind is Kind.IDENTIFIER:
        theirs = [fact for fact in named(question) if fact.kind is kind]
    elif kind in _MEASURES:
        theirs = [fact for fact in facts.extract(question) if fact.kind is kind]
    else:
        return ""
    if not theirs:
        return ""
    shared = {term.key for term in terms(new)}
    alike = [
        fact
        for fact in theirs
        if shared & {term.key for term in terms(question[fact.start : fact.end])}
    ]
    value = (alike or theirs)[0].value
    for old in reversed(theirs):  # wherever it stands
        text = question[old.start : old.end]
        if old.value == value:
            owns = text.endswith(("'s", "’s")) and not new.endswith(("'s", "’s"))
            question = question[: old.start] + new + text[-2:] * owns + question[old.end :]
    return question


def _other_side(question: str, new: str, fresh: Phrase) -> str:
    """The question for another side of the same thing: "the deadline" for "the fee" in "What is the
    fee for a second card"."""
    verb = "are" if fresh.plural else "is"
    who = "Who" if fresh.head in ROLES or fresh.person else "What"
    opens = re.match(r"(?:what|who|which|when|where) (?:is|are|was|were) ", question, re.IGNORECASE)
    found = phrases(question)
    text = new if fresh.before else f"the {new}"
    if opens and found and found[0].relational and found[0].start == opens.end():
        return f"{who} {verb} {text}{question[found[0].end :]}"
    subject = subject_of(question)
    about = f" for {subject.text}" if subject else ""
    return ended(f"{who} {verb} {text}{about}", question).rstrip(" ?")
