"""Names as a value needs them: whole ("Müller & Söhne GmbH", "England and Wales"), and what a text
says they are ("Acme Ltd (the “Supplier”)", "the auditor is Jane Doe", "the laws of Germany").

Pure, by rules, in English. A name is taken only where the text ties it to the words asked for: by a
definition in parentheses, or with nothing but "is", "of", "the" and their like between the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from assistant import facts
from assistant.facts import Kind
from assistant.terms import STOPWORDS, WORD, Term, fold, keys, terms

_SUFFIX = (
    r"(?:Ltd|Limited|Inc|Incorporated|LLC|LLP|plc|PLC|Corp|Corporation|Co|Company|GmbH|AG|KG|SE"
    r"|S\.?\s?A\.?|S\.?A\.?S|S\.?p\.?A|S\.?r\.?l|B\.?V|N\.?V|A/S|AB|ASA|AS|Oy|Oyj|Pty|sp\. z o\.o"
    r"|e\.?V|KGaA|GbR|Kft|Zrt|s\.r\.o|a\.s|Sàrl)"
)
_CAPITAL = r"[^\W\d_a-zà-öø-ÿ](?:[\w'’]|[-.](?=\w))*"
_PHRASE = re.compile(
    rf"{_CAPITAL}\.?(?:(?:\s+(?:of|for|de|van|von|der|du|la|le|del|and|&|the)){{0,2}}\s+{_CAPITAL}"
    rf"|\s+&\s+{_CAPITAL}|,?\s+{_SUFFIX}\b\.?)*"
)
_ENTITY = re.compile(rf"(?:\s|^)(?:&\s+Co\.?\s+)?{_SUFFIX}\.?$")
_JOINED = re.compile(r"\s+(?:and|of|for|the)\s+")
_DEFINED = re.compile(
    r"\s*,?\s*\((?:[^()\"“”]{0,60}?)[\"“”'‘]([^\"“”()]{2,40})[\"“”'’][^()]{0,60}\)"
    r"|\s*\(\s*(?:the|hereinafter|referred to as)\s+(?:the\s+)?([A-Z][\w-]+(?: [A-Z][\w-]+)?)\s*\)"
    r"|,?\s+(?:hereinafter|hereafter)(?: referred to as| called)?,?\s*(?:the\s+)?"
    r"[\"“]([^\"”]{2,40})[\"”]"
)
_OPENS = re.compile(r"\b(?:between|among|amongst|entered into by|made by)\b:?\s*", re.IGNORECASE)
_NEXT = re.compile(r"[\W\d]*(?:(?:and|or|by|the|with)\b[\W\d]*)*", re.IGNORECASE)
_COPULA = r"(?:is|are|was|shall be|will be|means|being|namely)"
_LEADS = re.compile(
    rf"\s*(?:[:,–-]\s*|{_COPULA}\s+)?(?:the\s+|an?\s+)?"
    r"(?:(?:that\s+)?(?:of|in)\s+(?:the\s+)?(?:[a-z]+\s+(?:of|in)\s+(?:the\s+)?){0,2})?"
)
_FOLLOWS = re.compile(
    rf"(?:,\s*|\s+(?:{_COPULA}|acts as|serves as|as)\s+)(?:the\s+|our\s+|an?\s+)?"
)
_DOCUMENT_WORDS = keys(
    "agreement contract deed lease policy addendum schedule annex appendix services terms party "
    "parties this section clause article"
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A name at `[start, end)` of its text."""

    start: int
    end: int
    text: str


@lru_cache(maxsize=8192)
def phrases(text: str) -> tuple[Phrase, ...]:
    """The names of `text`, whole; dates and other facts are none, nor are the words by which a
    document calls itself ("this Agreement")."""
    blank = list(text)
    for fact in facts.extract(text):
        if fact.kind is not Kind.NAME:
            blank[fact.start : fact.end] = "\x00" * (fact.end - fact.start)
    found: list[Phrase] = []
    for match in _PHRASE.finditer("".join(blank)):
        for start, end in _entities(match.group(), match.start()):
            phrase = _trimmed(text, start, end)
            if phrase is not None:
                found.append(phrase)
    return tuple(found)


def _entities(run: str, at: int) -> Iterator[tuple[int, int]]:
    """`run` whole, or split at an "and" or "of" that stands after the name of a company."""
    first = 0
    for mark in _JOINED.finditer(run):
        if _ENTITY.search(run[first : mark.start()]):
            yield at + first, at + mark.start()
            first = mark.end()
    yield at + first, at + len(run)


def _trimmed(text: str, start: int, end: int) -> Phrase | None:
    """A name without leading stop words ("The Bank of Ireland"); None if nothing is left."""
    while True:
        word = WORD.match(text, start)
        if word is None or word.end() > end or fold(word.group()) not in STOPWORDS:
            break
        start = word.end()
        while start < end and not text[start].isalnum():
            start += 1
    body = text[start:end]
    if not _ENTITY.search(body):
        body = body.rstrip(".")
    if " of " in body and re.match(r",?\s+\d", text[end:]):  # "Castle Trust of High Street 5"
        body = body[: body.rindex(" of ")]
    if re.search(r"(?:\b\w\.)+\w$", body) and text[end : end + 1] == ".":
        body += "."  # "B.V.", "S.p.A."
    telling = keys(body)
    if start >= end or not telling or telling <= _DOCUMENT_WORDS:
        return None
    return Phrase(start, start + len(body), body)


def defined(text: str, meant: Callable[[str], bool]) -> Phrase | None:
    """The name that `text` defines as something `meant` accepts."""
    for phrase, term in _definitions(text):
        if meant(term):
            return phrase
    return None


def parties(text: str) -> tuple[Phrase, ...]:
    """Everybody whom `text` defines, if somebody there is a company or stands after "between";
    without definitions, the companies after "between"."""
    found = [phrase for phrase, _ in _definitions(text)]
    opened = _OPENS.search(text)
    if found and (opened or any(_ENTITY.search(each.text) for each in found)):
        return tuple(found)
    after = [each for each in phrases(text) if opened and each.start >= opened.end()]
    return tuple(each for each in after if _ENTITY.search(each.text))


def _definitions(text: str) -> Iterator[tuple[Phrase, str]]:
    """Names and the terms that `text` defines them as: the one with which the part since the
    definition before it, or since "between", begins ("Acme Ltd, a company registered in England
    (the "Supplier")"), or the only one there, right before the definition."""
    since = 0
    named = phrases(text)
    for match in _DEFINED.finditer(text):
        opens = [each.end() for each in _OPENS.finditer(text, since, match.start())]
        since = opens[-1] if opens else since
        inside = [each for each in named if since <= each.start and each.end <= match.start()]
        term = next(group for group in match.groups() if group)
        begins = bool(inside) and _NEXT.fullmatch(text, since, inside[0].start) is not None
        opened = bool(since) or text[:1] in "(0123456789"
        company = bool(inside) and _ENTITY.search(inside[0].text) is not None
        alone = len(inside) == 1 and inside[0].end == match.start()
        if alone or (begins and (opened or company)):
            yield inside[0], term
        since = match.end()


def tied(text: str, matches: Callable[[Term], bool]) -> Iterator[Phrase]:
    """The names that `text` ties to a word which `matches`: "the auditor is Jane Doe", "Jane Doe,
    auditor", "the laws of Germany", and "German law", which is given with that word."""
    told = [term for term in terms(text) if matches(term)]
    named = phrases(text)
    for phrase in named:
        if any(phrase.start <= term.start and term.end <= phrase.end for term in told):
            continue
        yield from _tie(text, phrase, told)


def _tie(text: str, phrase: Phrase, told: Sequence[Term]) -> Iterator[Phrase]:
    for term in told:
        if term.end <= phrase.start and _LEADS.fullmatch(text, term.end, phrase.start):
            yield phrase
            return
        if phrase.end > term.start:
            continue
        if text[phrase.end : term.start] == " " and " " not in phrase.text:
            yield Phrase(phrase.start, term.end, text[phrase.start : term.end])
            return
        if _FOLLOWS.fullmatch(text, phrase.end, term.start):
            yield phrase
            return
