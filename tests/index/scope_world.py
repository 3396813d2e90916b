"""A small world for trying out scopes, made from a seed: collections, groups, texts, questions.

Names are prefixes of each other, texts stand in several collections, and a question may be made of
the words of any text of the world, whether the asker may read it, whether it is there at all.
Sources and titles begin with what names their collection, so that a passage that was found in one
collection and shown as another's can be told.
"""

from __future__ import annotations

import functools
import hashlib
import random
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index import nearest
from index.compose import assemble
from index.records import NewDocument, Vector
from index.settings import IndexSettings
from index.store import Index
from tests.index.standins import HashEmbedder, new_document

NAMES = ("a", "a-", "a-b", "a-c", "ab", "ab-c", "b", "b_", "c", "a-b-c", "legal", "legal-eu", "0")
UNKNOWN = ("zz", "aa", "legal-", "a/b", "../a", "A", "", "a-b-", "cloister-a-c", "ä")
GROUPS = ("local", "loc", "legal", "räte", "board", "board ", "Local", "%", "local,legal")
SIZES = (1, 2, 3, 5, 10, 20, 60)  # how many hits are asked for
CHUNK = 160  # characters
_TEXTS = 110
_LARGE = 12  # chunks from which a collection is put into Chroma
_WORDS = """
    records retained years approval limit payment audit board customer policy exception breach
    notice contract penalty supplier consent salary merger dismissal liquidity reserve incident
    patient dose trial protocol deviation signature counsel privilege settlement claim 14.2.3
    AML-014 2026-03-31 §164.312(b) EUR 5,000 Straße naïve Ελλάδα 記録 حفظ 🗂 café
""".split()  # noqa: SIM905  a list of so many words is read better so
_ODD = (
    "",
    "   \n",
    "the of and is",
    'words:"salary" OR *:*',
    "collection:legal salary",
    "') OR 1=1 --",
    "記録 حفظ 🗂",
    "cafe\u0301 STRASSE",
    "\ud800 salary",
    "\x00salary\u202e",
)


class QuickEmbedder(HashEmbedder):
    """The hash embedder, with each word's direction computed once."""

    def embed_query(self, text: str) -> Vector:
        total = np.full(self.dimensions, 1e-3)
        for word in re.findall(r"\w+", text.lower()):
            total += _direction(word, self.dimensions)
        vector: Vector = (total / np.linalg.norm(total)).astype(np.float32)
        return vector


@functools.lru_cache(maxsize=50_000)
def _direction(word: str, dimensions: int) -> NDArray[np.float64]:
    digest = hashlib.sha256(word.encode("utf-8", "replace")).digest()
    seed = int.from_bytes(digest[:8], "big")
    return np.random.default_rng(seed).standard_normal(dimensions)


@dataclass(frozen=True, slots=True)
class Text:
    """What a document says. `code` is a word that no other text has; `id` the document's id."""

    id: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Asking:
    """A question; `words_of` is the document whose words it is made of, `about` the document if
    the question is its code word alone."""

    question: str
    k: int
    words_of: str = ""
    about: str | None = None


class World:
    """Everything that can ever exist in one data folder, from `seed`. Pure."""

    def __init__(self, seed: int, texts: int = _TEXTS) -> None:
        self.seed = seed
        rng = random.Random(f"world-{seed}")
        clause = _padded(" ".join(rng.choices(_WORDS, k=14)))  # the same first chunk in many
        self.texts = tuple(_text(rng, seed, number, clause) for number in range(texts))
        self.by_id = {each.id: each for each in self.texts}

    def user(self, rng: random.Random) -> frozenset[str]:
        """The groups of somebody who asks: none, a few, or one that nobody has heard of."""
        groups = rng.sample(GROUPS, rng.choice((0, 1, 1, 1, 2, 2, 3)))
        return frozenset([*groups, "nobody"] if rng.random() < 0.1 else groups)

    def narrowed(self, rng: random.Random) -> frozenset[str] | None:
        """The collections that a question names: mostly none; known, unknown or neighbours."""
        if rng.random() < 0.7:
            return None
        known = rng.sample(NAMES, rng.randint(0, 3))
        return frozenset([*known, *rng.sample(UNKNOWN, rng.randint(0, 2))])

    def named(self, rng: random.Random) -> frozenset[str] | None:
        """The documents that a question is put to: mostly none; known, unknown, or not an id."""
        if rng.random() < 0.7:
            return None
        known = [each.id for each in rng.sample(self.texts, rng.choice((0, 1, 1, 2, 9)))]
        unknown = [hashlib.sha256(b"unknown").hexdigest(), "", "%", known[0][:8] if known else "*"]
        return frozenset([*known, *rng.sample(unknown, rng.randint(0, 2))])

    def asking(self, rng: random.Random) -> Asking:
        """A question, mostly in the words of a text, which the asker may be able to read or not."""
        text, k, draw = rng.choice(self.texts), rng.choice(SIZES), rng.random()
        words = text.text.split()
        if draw < 0.25:
            return Asking(text.code, k, text.id, text.id)
        if draw < 0.60:
            return Asking(" ".join(rng.choices(words, k=rng.randint(2, 9))), k, text.id)
        if draw < 0.75:
            at = rng.randrange(max(1, len(text.text) - CHUNK))
            return Asking(text.text[at : at + CHUNK], k, text.id)
        if draw < 0.85:  # the words of two texts at once
            other = rng.choice(self.texts).text.split()
            return Asking(" ".join(rng.choices(words, k=4) + rng.choices(other, k=4)), k, text.id)
        if draw < 0.93:
            return Asking(f"What does {title_of(rng.choice(NAMES))} say about {words[0]}?", k)
        if draw < 0.94:
            return Asking(" ".join(rng.choices(_WORDS, k=900)), k)
        return Asking(rng.choice(_ODD), k)


def _text(rng: random.Random, seed: int, number: int, clause: str) -> Text:
    code = f"kq{seed}x{number:04d}z"
    parts = [_padded(f"{code} " + " ".join(rng.choices(_WORDS, k=rng.randint(6, 16))))]
    parts += [
        _padded(" ".join(rng.choices(_WORDS, k=rng.randint(8, 18))))
        for _ in range(rng.randint(0, 2))
    ]
    if rng.random() < 0.3:
        parts.insert(0, clause)
    text = "".join(parts)
    return Text(hashlib.sha256(text.encode()).hexdigest(), code, text)


def _padded(text: str) -> str:
    return text[: CHUNK - 1].ljust(CHUNK)


def title_of(collection: str) -> str:
    """The title of every document of a collection; it holds a word that only this one has."""
    return f"Paper t{hashlib.sha256(collection.encode()).hexdigest()[:8]}"


def source_in(collection: str, number: int) -> str:
    """A source's name, which says whose it is."""
    return f"{collection}|{number:05d}.txt"


def owner_of(source: str) -> str:
    """The collection that a source's name says it is of."""
    return source.split("|", 1)[0]


def opened(home: Path, view: str, embedder: HashEmbedder) -> Index:
    """The index in the folder `home`, with real stores; `view` as in the settings.

    With "chroma", collections of some chunks are large enough for Chroma in the whole process.
    """
    nearest.LARGE, nearest.SMALL = _LARGE, _LARGE // 2
    home.mkdir(parents=True, exist_ok=True)
    settings = f'vector_view = "{view}"\nbusy_timeout_ms = 60000\n'
    (home / "cloister.toml").write_text(f"[index]\n{settings}")
    return assemble(home, IndexSettings.load(home), embedder)


def document_of(text: Text, collection: str, source: str, embedder: HashEmbedder) -> NewDocument:
    """The document of `text`, ready to be put."""
    return new_document(
        text.text,
        source,
        collection=collection,
        embedder=embedder,
        title=title_of(collection),
        size=CHUNK,
    )
