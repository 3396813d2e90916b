"""What the pronouns and demonstratives of a question point to in earlier questions.

Pure. A pronoun that can point to a phrase of its own question is left alone ("When does the bank
notify its customers?"), an empty one too ("Is it allowed to ..."). Otherwise the nearest phrase of
an earlier question that agrees with it in number, or names a person for "he" and "she", takes its
place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.phrases import (
    AUXILIARY,
    BE,
    DETERMINERS,
    POSSESSIVE,
    RELATIONAL,
    ROLES,
    Phrase,
    Sort,
    Word,
    listed,
    phrases,
    stems,
    words_of,
)
from assistant.terms import fold, is_light, keys
from assistant.varying import AGENTS, asked_with, ended, extended, subject_of

_SINGULAR = listed("""it its this that""")
_PLURAL = listed("""they them their these those""")
_PERSONAL = listed("""he she him her his""")
_GENERIC = RELATIONAL | stems(
    """case situation obligation rule arrangement matter question duty right restriction document
    time point regard context respect process measure"""
)
_EMPTY = re.compile(
    r"\bwhat does it mean (?:when|if|that|to)\b|\bit comes to\b"
    r"|\bit be \w+ (?:for|to|that)\b|\bit (?:snow|rain|matter)s?\b"
    r"|\b(?:is|was|will|would|be|does|it'?s) it(?: be)?(?: \w+ly)? (?:possible|necessary|allowed"
    r"|true|mandatory|required|permitted|compulsory|legal|enough|ok|sufficient|advisable|acceptable)"
    r" (?:to|that|for|if)\b|\bdoes it (?:take|cost) (?:to|for|until|before)\b|\bdid it take to\b"
    r"|\bit is (?:\w+ )?(?:possible|necessary|allowed|required)\b|\bwhat time is it\b",
    re.IGNORECASE,
)
_BREAKS = listed("""if when while because whereas unless whether once after before until""")
_TIMES = stems("week month year season quarter morning evening day today time moment page")
_DESCRIBES = listed("who that which with in of for whose not under from on")
_FORMER = re.compile(r"\bthe (former|latter)\b", re.IGNORECASE)
_ACTIVE = re.compile(r"\b(?:do|does|did) (?:they|it|he|she)\b", re.IGNORECASE)
_MOST_OWN = 3  # telling words of "how do they ...": with more, "they" are people in general
_MOST_WORDS = 16  # of a question with a pronoun: a longer one says itself what it means


@dataclass(frozen=True, slots=True)
class Pointer:
    """A word that points back, `[start, end)`; `noun` is the phrase that it is part of: what is
    possessed ("its owner") or the noun that a demonstrative stands before ("that period")."""

    word: str
    start: int
    end: int
    noun: Phrase | None = None


def pointers(question: str) -> tuple[Pointer, ...]:
    """The words of a question that point out of it."""
    words = words_of(question)
    found = phrases(question)
    by_start = {phrase.start: phrase for phrase in found}
    pointing = []
    for number, word in enumerate(words):
        plain = fold(word.text)
        noun = by_start.get(word.start)
        if plain not in _SINGULAR | _PLURAL | _PERSONAL | {"such"}:
            continue
        if plain == "such" and (noun is None or noun.head not in _GENERIC):
            continue
        if noun is not None and noun.head in _TIMES:
            continue  # "this year"
        if plain in ("this", "that", "those", "these") and _is_link(words, number, noun):
            continue
        if _EMPTY.search(question) and plain == "it":
            continue
        if not _bound(plain, word, words, found):
            pointing.append(Pointer(plain, word.start, word.end, noun))
    return tuple(pointing)


def _is_link(words: Sequence[Word], number: int, noun: Phrase | None) -> bool:
    """Whether "that" or "those" joins a clause ("records that expire", "those who apply")."""
    before = words[number - 1] if number else None
    following = fold(words[number + 1].text) if number + 1 < len(words) else ""
    after_of = before is not None and fold(before.text) == "of" and bool(re.match(r"\w", following))
    if fold(words[number].text) in ("those", "these"):
        return after_of or following.endswith(("ed", "ing")) or following in _DESCRIBES
    if fold(words[number].text) == "this":
        return following in DETERMINERS  # "is this the last ...": what the asker sees
    if before is None or fold(words[number].text) != "that" or not re.match(r"\w", following):
        return False
    if before.class_ == "verb" and noun is not None:
        after = next((each for each in words if each.start >= noun.end), None)
        return noun.plural or (after is not None and after.class_ not in ("mark", "prep", "adv"))
    return before.class_ in ("content", "verb")


def _bound(plain: str, word: Word, words: Sequence[Word], found: Sequence[Phrase]) -> bool:
    """Whether a phrase before it in the same question is what it means. "It" and "they" mean none
    of their own clause, "its" and "their" may."""
    for phrase in found:
        if phrase.end > word.start or phrase.sort is Sort.DATE:
            continue
        side = phrase.relational or (plain in _PERSONAL and phrase.head in AGENTS)
        if plain in POSSESSIVE and not side:
            return True
        between = [w for w in words if phrase.end <= w.start < word.start]
        if any(w.class_ == "wh" for w in between):
            return True  # "what are X and where do they come from"
        if _embedded(word, words):
            return True
        opens = fold(words[0].text) in _BREAKS
        broken = any(w.class_ == "mark" or fold(w.text) in _BREAKS for w in between)
        if (opens or broken) and _agrees(plain, phrase):
            return True
    return False


def _embedded(word: Word, words: Sequence[Word]) -> bool:
    """Whether a pronoun is the subject of a clause inside the question ("ensure it meets ...")."""
    at = words.index(word)
    before, after = words[at - 1] if at else None, words[at + 1] if at + 1 < len(words) else None
    if before is None or after is None or before.class_ not in ("verb", "content"):
        return False
    return after.class_ in ("verb", "aux")


def _agrees(plain: str, phrase: Phrase) -> bool:
    if plain in _PERSONAL:
        return phrase.person or (phrase.sort is Sort.NAME and phrase.head not in AGENTS)
    if plain in _PLURAL:
        return phrase.plural or phrase.sort is Sort.NAME or phrase.head in AGENTS | ROLES
    person = phrase.head in ROLES
    return not phrase.plural and not person


def resolve(
    question: str, earlier: Sequence[str], person: str, titles: Sequence[str]
) -> tuple[str, bool, str, str] | None:
    """The question with what its pointers mean: text, whether that is sure, a note, and what of it
    stood in an answer only. None if it has no pointers."""
    former = _FORMER.search(question)
    if former:
        return _former(question, former, earlier)
    found = pointers(question)
    told = [key for key in keys(question) if not is_light(key)]
    long = len(words_of(question)) > _MOST_WORDS
    general = len(told) > _MOST_OWN and bool(_ACTIVE.search(question))
    if not found or long or (general and not _near(question, earlier)):
        return None
    made, source, sure, from_answer = question, "", True, ""
    for pointer in reversed(found):
        means = _meant(pointer, earlier, person, titles)
        if means is None:
            sure = False
            continue
        text, source, certain = means
        sure = sure and certain
        if text == person and person:
            from_answer = person
        made = _put(made, pointer, text)
    if made == question:
        return ("", False, "nothing before it could be meant", "")
    return (ended(made, source) if source else made, sure, "pronoun resolved", from_answer)


def _near(question: str, earlier: Sequence[str]) -> bool:
    """Whether a question shares the last word of a phrase with the one before."""
    heads = {phrase.head for phrase in phrases(earlier[0])}
    return any(phrase.head in heads for phrase in phrases(question))


def _put(question: str, pointer: Pointer, text: str) -> str:
    """The question with `text` for a pointer; "its owner" becomes "the owner of ..."."""
    if pointer.word in POSSESSIVE and pointer.noun is not None:
        possessed = question[pointer.end : pointer.noun.end].strip()
        return f"{question[: pointer.start]}the {possessed} of {text}{question[pointer.noun.end :]}"
    end = pointer.noun.end if pointer.noun is not None else pointer.end
    return question[: pointer.start] + text + question[end:]


def _meant(
    pointer: Pointer, earlier: Sequence[str], person: str, titles: Sequence[str]
) -> tuple[str, str, bool] | None:
    """What a pointer means, the earlier question that says so, and whether that is sure."""
    if pointer.noun is not None and pointer.word not in POSSESSIVE:
        return _of_kind(pointer.noun, earlier, titles)
    for question in earlier:
        candidates = _candidates(question)
        for phrase in candidates:
            if _agrees(pointer.word, phrase):
                return _described(question, phrase), question, True
        if pointer.word in _PERSONAL:
            if person:
                return person, question, True
            who = re.match(
                r"(?:and )?who (?!is\b|are\b|was\b|were\b)(.+?)[\s?.!]*$", question, re.I
            )
            if who and fold(who.group(1).split()[0]) not in AUXILIARY:
                return f"the person who {who.group(1)}", question, True
    if pointer.word in _SINGULAR:
        subject = subject_of(earlier[0])
        return (subject.text, earlier[0], False) if subject else None
    return None


def _candidates(question: str) -> list[Phrase]:
    """The phrases of a question in the order in which "it" would mean them: not who acts, if
    something is acted on; what was asked for last."""
    found = [phrase for phrase in phrases(question) if phrase.sort is not Sort.DATE]
    return sorted(found, key=lambda phrase: phrase.head in AGENTS | ROLES)


def _described(question: str, phrase: Phrase) -> str:
    """A phrase as it can be named later: "which system stores the files" as "the system that stores
    the files"."""
    found = phrases(question)
    if not asked_with(question, phrase):
        return extended(question, found, phrase).text
    rest = question[phrase.end :].strip(" ?.!")
    first = next((word for word in words_of(question) if word.start >= phrase.end), None)
    if first is not None and (first.class_ == "verb" or fold(first.text) in BE):
        return f"the {phrase.text} that {rest}"
    whole = extended(question, found, phrase)
    others = [p.text for p in found if p.start >= whole.end and p.sort is not Sort.DATE]
    return f"the {whole.text} ({', '.join(others)})" if others else f"the {whole.text}"


def _of_kind(
    noun: Phrase, earlier: Sequence[str], titles: Sequence[str]
) -> tuple[str, str, bool] | None:
    """What "that period" or "this policy" means: a phrase that ends so, a document's title that
    does, or, for a general word, the noun with what was asked about."""
    for question in earlier:
        for phrase in phrases(question):
            if phrase.head == noun.head:
                return _described(question, phrase), question, True
    for title in titles:
        if noun.head in stems(" ".join(title.split()[-1:])):
            return f"the {title}", "", True
    bare = noun.text.split(" ", 1)[-1]
    for question in earlier:
        for phrase in phrases(question):
            if phrase.sort in (Sort.IDENTIFIER, Sort.NAME) and noun.head not in _GENERIC:
                return f"the {bare} ({phrase.text})", question, False
    subject = subject_of(earlier[0])
    if subject is None:
        return None
    return f"the {bare} for {subject.text}", earlier[0], noun.head in _GENERIC


def _former(
    question: str, former: re.Match[str], earlier: Sequence[str]
) -> tuple[str, bool, str, str] | None:
    """The question with the first or the last of two things that an earlier question joins."""
    for each in earlier:
        joined = re.search(r"([^,?]+?)\s+(?:and|or|versus|than)\s+([^,?]+)", each)
        if not joined:
            continue
        whole = [p for p in phrases(each) if re.search(r"\s(?:and|or)\s", p.text)]
        left, right = (
            re.split(r"\s+(?:and|or)\s+", whole[0].text, maxsplit=1)
            if whole
            else (_last(joined.group(1)), _first(joined.group(2)))
        )
        text = left if former.group(1).lower() == "former" else right
        made = question[: former.start()] + text + question[former.end() :]
        return ended(made, each.replace(left, "").replace(right, "")), True, "former or latter", ""
    return ("", False, "nothing before it could be meant", "")


def _last(text: str) -> str:
    found = phrases(text)
    return found[-1].text if found else text


def _first(text: str) -> str:
    found = phrases(text)
    return found[0].text if found else text
