"""Texts and questions as the terms that lexical search works on. Pure, given the stemmers.

A chunk becomes a line of terms: its words in order (small, stemmed in its language, without
accents, number words as digits), a boundary, then what else it should be found by: compounds
written as one word and the spellings of `index.spellings`. A question becomes weighted terms, pairs
of neighbours and quoted phrases. The same steps make both, so that they meet.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from index import languages
from index.acronyms import MAX_WORDS, definitions
from index.spellings import spellings
from index.terms import pairs

Stem = Callable[[str], str]

BOUNDARY = "¶"  # between what stands in the text and what is added to it; no word is this
PAIR_WEIGHT = 0.4  # of two neighbours against a word's 1; measured, see ADR 0003
LONG_FORM_WEIGHT = 0.3  # of each word of what an acronym in the question stands for
ACRONYM_WEIGHT = 0.5  # of the acronym of what the question spells out
MAX_TERMS = 256  # different terms of one question, and as many pairs
MAX_PHRASES = 4
_MAX_WORD = 64  # characters; longer runs are not words
_MAX_EXPANDED = 6  # acronyms of one question that are taken both ways
_MAX_FORMS = 2  # long forms of one acronym
_LOOKED_UP = 64  # words of a question among which acronyms and long forms are looked for

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b")
_COMPOUND = re.compile(r"[^\W\d_]+(?:[-‐‑]\n?[^\W\d_]+)+")
_QUOTED = re.compile(r"\"([^\"]{2,300})\"|[“„]([^“”„]{2,300})[“”]|«([^«»]{2,300})»")
_RANDOM_NAME = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{16,}\b", re.IGNORECASE
)
_ACRONYM = re.compile(r"\b[A-Z][A-Z0-9&]{1,7}s?\b")
_TYPOGRAPHY = str.maketrans(
    {"\u00ad": "", "\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl"}
    | dict.fromkeys("\u00a0\u2007\u2009\u202f", " ")
)
_TYPOGRAPHIC = re.compile(f"[{''.join(map(chr, _TYPOGRAPHY))}]")
_ANY_FUNCTION_WORD = frozenset().union(*languages.FUNCTION_WORDS.values())
_UNACCENTED = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d"}
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: terms and pairs of neighbours with their weights, and phrases.

    `words` are the telling words as they were typed, each with its stems in the languages that the
    collection holds, and `spelled` what it names by number. `names` are the terms that may name a
    document: of words in capitals or with a digit, and what is named by number; of a question
    without capitals, any. A phrase has a reading for each of these languages. `acronyms` and
    `long_forms` are what the collection may know definitions of.
    """

    words: tuple[tuple[str, ...], ...]
    spelled: tuple[str, ...]
    names: frozenset[str]
    terms: Mapping[str, float]
    pairs: Mapping[tuple[str, str], float]
    phrases: tuple[tuple[tuple[str, ...], ...], ...]
    acronyms: tuple[str, ...]
    long_forms: tuple[str, ...]

    @property
    def keys(self) -> list[str]:
        """What to look up among the definitions that `Analysis.defined` made, for `expanded`."""
        return [*map(_forward, self.acronyms), *map(_backward, self.long_forms)]


class Analysis:
    """Makes terms of texts with a stemmer for each language, by its code."""

    def __init__(self, stemmers: Mapping[str, Stem], pair_weight: float = PAIR_WEIGHT) -> None:
        self._stems = {
            language: lru_cache(maxsize=50_000)(_folded(stem))
            for language, stem in stemmers.items()
        }
        self._pair_weight = pair_weight

    def passage(self, text: str, language: str) -> list[str]:
        """The terms of a text that is searched."""
        clean = cleaned(text)
        terms = self._stemmed(split(clean), language)
        added = [*self._compounds(clean, language), *spellings(clean, language)]
        return [*terms, BOUNDARY, *added] if added else terms

    def place(self, text: str, language: str) -> list[str]:
        """The terms of what names a document; a random name says nothing and is left out."""
        return self.passage(_RANDOM_NAME.sub(" ", text).replace("_", " "), language)

    def defined(self, text: str, language: str) -> list[str]:
        """The acronyms that a text defines, as keys to be looked up from either side."""
        found = []
        for acronym, words in definitions(cleaned(text)):
            long_form = " ".join(self._stemmed(words, language))
            found += [_forward(acronym) + long_form, _backward(long_form) + acronym]
        return found

    def question(self, text: str, held: Collection[str]) -> Question:
        """What `text` asks of a collection with chunks in the languages `held`."""
        clean = cleaned(text)
        words = split(clean)
        told = languages.told(words)
        spoken = sorted(held) or [languages.DEFAULT]
        small = _small(told, spoken)
        telling = [word not in small for word in words]
        if not any(telling):
            telling = [True] * len(words)
        terms: dict[str, float] = {}
        neighbours: dict[tuple[str, str], float] = {}
        long_forms: dict[str, None] = {}
        readings: list[Sequence[str]] = []
        for language in spoken:
            stems = self._stemmed(words, language)
            readings.append(stems)
            marked = list(zip(stems, telling, strict=True))
            terms |= dict.fromkeys((stem for stem, tells in marked if tells), 1.0)
            terms |= dict.fromkeys(self._compounds(clean, language), 1.0)
            if language == "de":
                terms |= dict.fromkeys(self._stemmed([*_umlauts(words)], "de"), 1.0)
            function_words = {stem for stem, tells in marked if not tells}
            neighbours |= dict.fromkeys(pairs(stems, function_words), self._pair_weight)
            long_forms |= dict.fromkeys(_runs(marked[:_LOOKED_UP]))
        spelled = dict.fromkeys(spellings(clean, told, question=True))
        terms |= dict.fromkeys(spelled, 1.0)
        candidates = [word for word, tells in zip(words, telling, strict=True) if tells]
        stemmed = [
            tuple(dict.fromkeys(stems))
            for stems, tells in zip(zip(*readings, strict=True), telling, strict=True)
            if tells
        ]
        naming = _naming(clean)
        names = {
            stem for stems in readings for stem, name in zip(stems, naming, strict=True) if name
        }
        return Question(
            words=tuple(dict.fromkeys(stemmed))[:MAX_TERMS],
            spelled=tuple(spelled)[:MAX_TERMS],
            names=frozenset({*names, *spelled} & terms.keys()),
            terms=dict(list(terms.items())[:MAX_TERMS]),
            pairs=dict(list(neighbours.items())[:MAX_TERMS]) if self._pair_weight else {},
            phrases=self._phrases(clean, spoken),
            acronyms=_acronyms(clean, candidates),
            long_forms=tuple(long_forms),
        )

    def _phrases(
        self, clean: str, spoken: Sequence[str]
    ) -> tuple[tuple[tuple[str, ...], ...], ...]:
        found = []
        for match in list(_QUOTED.finditer(clean))[:MAX_PHRASES]:
            words = split(next(filter(None, match.groups())))
            if words:
                readings = (tuple(self._stemmed(words, language)) for language in spoken)
                found.append(tuple(dict.fromkeys(readings)))
        return tuple(found)

    def _stemmed(self, words: Sequence[str], language: str) -> list[str]:
        stem, numbers = self._stems[language], languages.NUMBERS[language]
        return [numbers[word] if word in numbers else stem(word) for word in words]

    def _compounds(self, clean: str, language: str) -> list[str]:
        """Hyphenated words as one: "e-mail" is also "email", so is a word cut at a line's end."""
        if "-" not in clean and "‐" not in clean and "‑" not in clean:
            return []
        found = ("".join(split(each)) for each in _COMPOUND.findall(clean))
        return self._stemmed([each for each in found if len(each) <= _MAX_WORD], language)


def expanded(question: Question, found: Mapping[str, Sequence[str]]) -> Question:
    """`question` with what its acronyms stand for, and the acronyms of what it spells out.

    `found` gives what the collection defines for the question's `keys`, most common first. Weights
    are small: the question's own words decide.
    """
    added: dict[str, float] = {}
    known = [(each, LONG_FORM_WEIGHT) for each in map(_forward, question.acronyms)]
    known += [(each, ACRONYM_WEIGHT) for each in map(_backward, question.long_forms)]
    for key, weight in [each for each in known if found.get(each[0])][:_MAX_EXPANDED]:
        for form in found[key][:_MAX_FORMS]:
            words = [word for word in form.split(" ") if word not in _ANY_FUNCTION_WORD]
            added |= dict.fromkeys(words[:MAX_WORDS], weight)
    return replace(question, terms={**added, **question.terms})


def cleaned(text: str) -> str:
    """One way of writing for what looks the same; no text is left that cannot be encoded."""
    if not text.isascii():
        encodable = text.encode("utf-8", "replace").decode("utf-8")
        text = unicodedata.normalize("NFC", encodable)
        if _TYPOGRAPHIC.search(text):
            text = text.translate(_TYPOGRAPHY)
    return _POSSESSIVE.sub("", text) if "'" in text or "’" in text else text


def split(clean: str) -> list[str]:
    """The small words of a cleaned text, in order."""
    small = clean.lower()
    if len(small) == len(clean) and "Σ" not in clean:  # else a letter's small one depends on others
        return [low for low in _WORD.findall(small) if len(low) <= _MAX_WORD]
    return [low for word in _WORD.findall(clean) if len(low := word.lower()) <= _MAX_WORD]


def _naming(clean: str) -> list[bool]:
    """Which of the words that `split` gives may name something: a firm, a paper, a period."""
    written = [word for word in _WORD.findall(clean) if len(word.lower()) <= _MAX_WORD]
    if not any(letter.isupper() for letter in clean):
        return [True] * len(written)
    return [
        any(letter.isdigit() for letter in word) or (word[0].isupper() and len(word) > 1)
        for word in written
    ]


def _forward(acronym: str) -> str:
    return f"{acronym}>"


def _backward(long_form: str) -> str:
    return f"{long_form}<"


def _small(told: str | None, spoken: Sequence[str]) -> frozenset[str]:
    """The function words to leave out: of the question's language or, unclear, of any held."""
    sources = [told] if told else spoken
    return frozenset().union(*(languages.FUNCTION_WORDS[each] for each in sources))


def _folded(stem: Stem) -> Stem:
    """`stem`, then without accents: they carry meaning for a stemmer, not for who types none."""

    def fold(word: str) -> str:
        stemmed = stem(word)
        if stemmed.isascii():
            return stemmed
        parts = unicodedata.normalize("NFD", stemmed.translate(_UNACCENTED))
        return "".join(part for part in parts if not unicodedata.combining(part)) or stemmed

    return fold


def _umlauts(words: Sequence[str]) -> Iterator[str]:
    """German words typed without umlauts: "Pruefung" is also "Prüfung"."""
    for word in words:
        with_umlauts = word.replace("ae", "ä").replace("oe", "ö").replace("ue", "ü")
        if with_umlauts != word:
            yield with_umlauts


def _runs(marked: Sequence[tuple[str, bool]]) -> Iterator[str]:
    """Neighbouring words that may be the long form of an acronym: no function word at an end."""
    for first, (_, tells) in enumerate(marked):
        for last in range(first + 1, min(first + MAX_WORDS, len(marked))):
            if tells and marked[last][1]:
                yield " ".join(stem for stem, _ in marked[first : last + 1])


def _acronyms(clean: str, telling: Sequence[str]) -> tuple[str, ...]:
    """Words in capitals; of a question without any capital, every word that tells something."""
    if any(letter.isupper() for letter in clean):
        found = [each.removesuffix("s").lower() for each in _ACRONYM.findall(clean)]
    else:
        found = [word for word in telling if 2 <= len(word) <= 8]
    return tuple(dict.fromkeys(found))[:_LOOKED_UP]
