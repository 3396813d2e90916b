"""Words as the evidence and the gate compare them: folded, stemmed, with office synonyms joined.

Pure. The stemmer is a short list of English suffix rules, weaker than Porter's on purpose: what
it merges must mean the same in a regulation. `CLASSES` joins verbs that such documents use for one
another ("kept", "retained", "stored"), so that a faithful paraphrase is recognised.

It knows English only. Text in another language is compared word by word, unstemmed in effect,
which makes the gate stricter there, never laxer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

_STOPWORDS = """a an the this that these those there here it its he she they them his her
    their our your we you i me my us be is are was were been being am do does did doing done
    have has had having will would shall should can could may might must ought and or but
    nor so yet if then than as of at by for from in into on onto to with within without
    about above below between during under over after before until since through per via not
    no any some all each every both either neither which who whom whose what when where why
    how much many more most less least other another such own same only also just very too
    again further once ever never up down out off"""
STOPWORDS = frozenset(_STOPWORDS.split())

# Words that carry little: they neither identify what is meant nor need support of their own.
_LIGHT = """make use provide include follow ensure relevant applicable appropriate specific certain
    following respective accord base regard relate concern particular general namely set state
    need require possible necessary order case part way thing give take come go get well please
    tell show know find say long often soon happen mean type kind number amount date
    someone somebody anyone else now supposed suppose enough whole exactly actually currently"""

_IRREGULAR = {
    "kept": "keep", "held": "hold", "paid": "pay", "sent": "send", "made": "make", "told": "tell",
    "given": "give", "gave": "give", "written": "write", "wrote": "write", "taken": "take",
    "took": "take", "begun": "begin", "began": "begin", "left": "leave", "met": "meet",
    "sold": "sell", "bought": "buy", "chosen": "choose", "chose": "choose", "found": "find",
    "lost": "lose", "said": "say", "set": "set", "led": "lead", "built": "build", "spent": "spend",
    "shown": "show", "known": "know", "knew": "know", "drawn": "draw", "seen": "see",
    "broken": "break", "people": "person", "children": "child", "staff": "staff", "men": "man",
    "women": "woman", "analyses": "analysis", "criteria": "criterion", "retention": "retain",
    "approval": "approve", "complaint": "complain", "notice": "notify", "payment": "pay",
    "disposal": "dispose",
    "decision": "decide", "erasure": "erase", "submission": "submit", "reception": "receive",
    "receipt": "receive", "destruction": "destroy", "losses": "loss",
    "third": "three", "fourth": "four", "fifth": "five",
}  # fmt: skip

_GROUPS = (
    "keep retain store hold preserve maintain archive",
    "notify inform tell alert advise",
    "start begin commence",
    "end finish terminate cease expire",
    "delete erase destroy dispose purge",
    "need require oblige",
    "approve authorise sanction",
    "buy purchase procure",
    "check verify review examine inspect",
    "maximum max limit cap ceiling",
    "minimum min",
    "employee staff personnel worker",
    "supplier vendor",
    "customer client",
    "send submit transmit dispatch",
    "allow permit",
    "prohibit forbid ban",
    "select choose",
    "happen occur",
    "cost price fee charge",
    "responsible accountable",
    "chair chairman chairwoman chairperson",
    "yearly annual annually",
    "fine penalty",
    "pay remunerate",
    "backup back-up",
)


@dataclass(frozen=True, slots=True)
class Term:
    """One content word: its comparable form, how it was written, and where, `[start, end)`."""

    key: str
    text: str
    start: int
    end: int


def fold(text: str) -> str:
    """Lower case with typographic apostrophes and dashes made plain; keeps the length."""
    return text.lower().replace("’", "'").replace("–", "-").replace("—", "-")


def _strip_suffix(word: str) -> str:
    """One pass of suffix rules: the longest that leaves at least three letters."""
    for suffix, instead in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            base = word[: len(word) - len(suffix)] + instead
            doubled = len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz"
            return base[:-1] if doubled and suffix in ("ing", "ed") else base
    return word


_SUFFIXES = (
    ("ification", "ify"),
    ("isation", "is"),
    ("ations", ""),
    ("ation", ""),
    ("ments", ""),
    ("ment", ""),
    ("ions", ""),
    ("ion", ""),
    ("ated", ""),
    ("ating", ""),
    ("ing", ""),
    ("ied", "y"),
    ("ed", ""),
    ("ies", "y"),
    ("ate", ""),
    ("ally", "al"),
    ("ly", ""),
    ("e", ""),
)


def _plain_stem(word: str) -> str:
    word = word.removesuffix("'s").replace("'", "").replace("iz", "is").replace("yz", "ys")
    if word in _IRREGULAR:
        word = _IRREGULAR[word]
    elif word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        word = word[:-2] if word.endswith(("sses", "xes", "ches", "shes")) else word[:-1]
        word = word[:-2] + "y" if word.endswith("ie") and len(word) > 4 else word
        word = _IRREGULAR.get(word, word)
    if len(word) < 4 or any(letter.isdigit() for letter in word):
        return word
    stripped = _strip_suffix(word)
    return stripped[:-1] + "i" if stripped.endswith("y") and len(stripped) > 3 else stripped


def _classes() -> dict[str, str]:
    joined: dict[str, str] = {}
    for group in _GROUPS:
        stems = [_plain_stem(word) for word in group.split()]
        for stem_ in stems:
            joined.setdefault(stem_, stems[0])
    return joined


CLASSES: Mapping[str, str] = _classes()
ACTIONS = frozenset(map(_plain_stem, ("keep", "notify", "start", "end", "delete")))
_LIGHT_KEYS = frozenset(
    CLASSES.get(_plain_stem(word), _plain_stem(word)) for word in _LIGHT.split()
)


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """The comparable form of one word: `stem("Retained") == stem("keeps")`."""
    plain = _plain_stem(fold(word))
    return CLASSES.get(plain, plain)


def terms(text: str) -> tuple[Term, ...]:
    """The content words of `text` in order; stop words are left out, digits are kept."""
    found = []
    for match in WORD.finditer(text):
        word = fold(match.group())
        if word in STOPWORDS or (len(word) == 1 and not word.isdigit()):
            continue
        found.append(Term(stem(word), match.group(), match.start(), match.end()))
    return tuple(found)


def keys(text: str) -> frozenset[str]:
    """The set of comparable forms of the content words in `text`."""
    return frozenset(term.key for term in terms(text))


def is_light(key: str) -> bool:
    """True for a form that identifies nothing by itself ("make", "following")."""
    return key in _LIGHT_KEYS


@dataclass(frozen=True, slots=True)
class Weights:
    """How telling a word is among a set of texts: smoothed inverse document frequency,
    `log(1 + (n + 1) / (df + 0.5))`, so that a word that occurs nowhere weighs most. A light word
    weighs a quarter of that."""

    documents: int
    frequency: Mapping[str, int]

    def of(self, key: str) -> float:
        """The weight of one comparable form, above 0."""
        idf = math.log(1 + (self.documents + 1) / (self.frequency.get(key, 0) + 0.5))
        return idf / 4 if is_light(key) else idf

    def total(self, wanted: Iterable[str]) -> float:
        """The weight of all of `wanted`. 0 for none. To the last bit the same in whatever order,
        which a set has anew in every process: what is made of it must come out again."""
        return math.fsum(self.of(key) for key in wanted)

    def coverage(self, wanted: Iterable[str], present: frozenset[str]) -> float:
        """The weighted share of `wanted` that is `present`, 0..1; 1.0 when nothing is wanted."""
        wanted = frozenset(wanted)
        whole = self.total(wanted)
        return self.total(wanted & present) / whole if whole else 1.0


def weights(texts: Sequence[frozenset[str]]) -> Weights:
    """Weights over `texts`, each given as its set of comparable forms."""
    frequency: dict[str, int] = {}
    for present in texts:
        for key in present:
            frequency[key] = frequency.get(key, 0) + 1
    return Weights(len(texts), frequency)
