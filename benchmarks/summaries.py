"""Summaries of real documents: nothing unsupported, every part covered, not below the first lines.

    python benchmarks/summaries.py POLICYQA.json OBLIQA-corpus.jsonl [--documents N] [--model]
                                  [--show N]

Three figures, one run:
- Policies and regulations as whole documents, summarised in 8 and in 20 statements. Checked by
  rules that share no code with the gate or the ranking: a number or a capitalised word of a
  statement that is not in its cited quotes (floor 0), statements over the length (0), and the share
  of the sections that a statement stands for, or of the length where there are more sections (1.0).
- The policies of PolicyQA, whose paragraphs are labelled by the set's authors with the practices
  that they describe, a sentence each (`summary`). Practices: the share of a policy's different
  practices of which a summary of 8 or 20 statements holds a sentence from a paragraph so labelled;
  beside the first 8 or 20 sentences (lead) and as many at random (mean of 5 draws). ROUGE-1 and
  ROUGE-L: recall of the words of all practices, stop words left out, by the first 25 words of each
  statement or sentence.
- With --model, the default SLM on some documents: the share of the sentences that it wrote that
  name what its passage does not, or a third of whose words are not there, before the gate; what is
  shown of it is checked as above.

Prints one JSON object; ends with 1 if a floor is missed. Takes the embedder of the project.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from comparison_edits import obliqa, policyqa

from assistant.answer import Asker
from assistant.answering import Policy
from assistant.errors import ModelFailed
from assistant.model import Model
from assistant.summarise import Request, Summary, run
from assistant.task import Parts
from audit.record import Event, Record
from index.compose import open_embedder
from index.document import Document, Page, Scope
from index.effective import Standing
from index.errors import NotFound
from index.ports import Embedder
from index.settings import IndexSettings

FLOORS = {"unsupported": 0, "over_length": 0, "coverage": 1.0, "practices_8_over_lead": 1.15}
ASKER = Asker("benchmark", frozenset({"local"}), "local-user")
PAGE = 3_000
WORDS = 25  # of a statement that count for ROUGE
DRAWS = 5
_STOPPED = """a an the this that these those is are was were be been being of to in on at by for
    from with as and or not no it its they their them we our us you your he she his her may can will
    would which who when if such other any all some about into more also does do has have had"""
_STOP = frozenset(_STOPPED.split())


class Shelf:
    """`assistant.ports.Library` over texts, as far as a summary asks for it."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.pages: dict[str, tuple[Page, ...]] = {}
        self.held: dict[str, Document] = {}

    def put(self, name: str, passages: Sequence[str]) -> None:
        """Take the place of everything held with one document."""
        pages: list[str] = []
        text = ""
        for passage in passages:
            if text and len(text) + len(passage) > PAGE:
                pages, text = [*pages, text], ""
            text = f"{text}\n\n{passage}" if text else passage
        made = tuple(Page(n, body) for n, body in enumerate([*pages, text], start=1))
        id_ = hashlib.sha256(repr(passages).encode()).hexdigest()
        self.held = {id_: Document(id_, "default", name, name, "text/plain", pages=len(made))}
        self.pages = {id_: made}

    def scope(self, groups: frozenset[str]) -> Scope:
        return Scope(frozenset({"default"}))

    def documents(self, scope: Scope) -> list[Document]:
        return list(self.held.values())

    def standings(
        self, documents: Iterable[Document], scope: Scope, day: str
    ) -> dict[tuple[str, str], Standing]:
        return {(each.collection, each.id): Standing(in_force=True) for each in documents}

    def page(self, document_id: str, number: int, scope: Scope) -> Page:
        if not 1 <= number <= len(self.pages.get(document_id, ())):
            raise NotFound("page")
        return self.pages[document_id][number - 1]


class Log:
    """Keeps what the model wrote."""

    def __init__(self) -> None:
        self.raw: list[tuple[str, str]] = []  # prompt, what it wrote

    def append(self, event: Event) -> Record:
        if event.payload and "raw" in event.payload:
            self.raw.append((str(event.payload["prompt"]), str(event.payload["raw"])))
        return Record(0, "event", event.type, 0, "00" * 32)


class NoModel:
    """Stands where the model would; a summary that is verbatim asks none."""

    def held(self) -> contextlib.AbstractContextManager[Model]:
        raise ModelFailed("there is none in this run")


def summary_of(shelf: Shelf, length: int, model: Model | None) -> tuple[Summary, Log]:
    """The summary of the one document on the shelf, and the log of it."""
    log = Log()
    parts = Parts(shelf, log, model or NoModel(), Policy())  # type: ignore[arg-type]
    request = Request(ASKER, length=length, verbatim=model is None)
    *_, result = run(parts, request, lambda: False)
    assert isinstance(result, Summary)
    return result, log


# -- the independent check -------------------------------------------------------------------------

_SPELT = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBER_WORDS = {word: str(number) for number, word in enumerate(_SPELT.split())}


def marks(text: str) -> set[str]:
    """Numbers and capitalised words inside sentences, as written."""
    numbers = {found.strip(".,").replace(",", "") for found in re.findall(r"\d[\d.,]*", text)}
    spelt = {_NUMBER_WORDS[w] for w in re.findall(r"[a-z]+", text.lower())
             if w in _NUMBER_WORDS and w not in ("zero", "one")}  # fmt: skip
    names = set(re.findall(r"(?<=[a-z,;] )[A-Z][\w'’-]+", text))
    return numbers | spelt | names


def unsupported(statement: str, quotes: str) -> list[str]:
    """What a statement names that its quotes do not."""
    given = quotes.replace(",", "")
    spelt = {_NUMBER_WORDS[w] for w in re.findall(r"[a-z]+", quotes.lower()) if w in _NUMBER_WORDS}
    return [m for m in marks(statement) if m.replace(",", "") not in given and m not in spelt]


def strays(sentence: str, passage: str) -> bool:
    """Whether a sentence names what the passage does not, or a third of its words are not there."""
    words = content(sentence)
    there = Counter(content(passage))
    missing = sum(1 for word in words if not there[word])
    return bool(unsupported(sentence, passage)) or missing * 3 > len(words)


# -- ROUGE -----------------------------------------------------------------------------------------


def content(text: str) -> list[str]:
    """Lower-case words without stop words, endings cut."""
    words = re.findall(r"[a-z]+|\d+", text.lower())
    return [re.sub(r"(?:ies|es|s|ed|ing)$", "", word) for word in words if word not in _STOP]


def rouge_1(shown: Sequence[str], reference: Sequence[str]) -> float:
    """The share of the reference's words (with their counts) that are shown."""
    if not reference:
        return 0.0
    return sum((Counter(reference) & Counter(shown)).values()) / len(reference)


def rouge_l(shown: Sequence[str], reference: Sequence[str]) -> float:
    """The longest common subsequence as a share of the reference."""
    row = [0] * (len(shown) + 1)
    for word in reference:
        before = row[:]
        for at, other in enumerate(shown, start=1):
            row[at] = before[at - 1] + 1 if word == other else max(before[at], row[at - 1])
    return row[-1] / len(reference) if reference else 0.0


def sentences(text: str) -> list[str]:
    """A plain split at full stops."""
    return [part for part in re.split(r"(?<=[.!?])\s+(?=[A-Z])", text) if len(part.split()) > 3]


def labelled(dev: Path) -> Iterator[tuple[str, dict[str, set[str]]]]:
    """Each policy of at least ten different paragraphs, and the practices of each of these."""
    for policy in json.loads(dev.read_text(encoding="utf-8"))["data"]:
        found: dict[str, set[str]] = {}
        for each in policy["paragraphs"]:
            text = " ".join(each["context"].split())
            found.setdefault(text, set()).update(each.get("summary") or ())
        if len(found) >= 10:
            yield policy["title"], found


def described(shown: Sequence[str], paragraphs: dict[str, set[str]]) -> float:
    """The share of the practices that the paragraphs describe from which the sentences are."""
    whole = set().union(*paragraphs.values())
    got = {
        practice
        for sentence in shown
        for text, practices in paragraphs.items()
        if " ".join(sentence.split()) in text
        for practice in practices
    }
    return len(got) / len(whole)


def overlaps(shelf: Shelf, dev: Path) -> dict[str, Any]:
    """Practices and ROUGE of our statements, the first sentences, and some at random."""
    totals: dict[str, float] = defaultdict(float)
    chance = random.Random(5)
    policies = list(labelled(dev))
    for name, paragraphs in policies:
        shelf.put(name, list(paragraphs))
        plain = [sentence for text in paragraphs for sentence in sentences(text)]
        wanted = content(" ".join(sorted(set().union(*paragraphs.values()))))
        for length in (8, 20):
            found, _ = summary_of(shelf, length, None)
            quotes = [each.quote for each in found.citations]
            ways = [("ours", quotes, 1), ("lead", plain[:length], 1)]
            ways += [
                ("random", chance.sample(plain, min(length, len(plain))), DRAWS)
                for _ in range(DRAWS)
            ]
            for way, shown, draws in ways:
                words = content(" ".join(" ".join(text.split()[:WORDS]) for text in shown))
                totals[f"{way}.practices_{length}"] += described(shown, paragraphs) / draws
                totals[f"{way}.rouge_1_{length}"] += rouge_1(words, wanted) / draws
                totals[f"{way}.rouge_l_{length}"] += rouge_l(words, wanted) / draws
    figures = {name: round(total / len(policies), 4) for name, total in sorted(totals.items())}
    over = {
        f"{measure}_over_lead": round(totals[f"ours.{measure}"] / totals[f"lead.{measure}"], 3)
        for measure in ("practices_8", "practices_20", "rouge_1_8", "rouge_l_8")
    }
    return {"policies": len(policies), **figures, **over}


# -- whole documents -------------------------------------------------------------------------------


def checked(found: Summary, length: int) -> tuple[Counter[str], list[str]]:
    """What the rules say of one summary."""
    counts: Counter[str] = Counter()
    wrong = []
    for document in found.documents:
        counts["summaries"] += 1
        counts["over_length"] += len(document.statements) > length
        counts["covered"] += min(document.covered, length)
        counts["coverable"] += min(document.sections, length)
        for each in document.statements:
            quotes = " ".join(found.citations[number - 1].quote for number in each.citations)
            bad = unsupported(each.text, " ".join(quotes.split()))
            counts["statements"] += 1
            counts[each.origin] += 1
            if bad:
                counts["unsupported"] += 1
                wrong.append(f"{bad}: {each.text[:160]!r} / {quotes[:160]!r}")
    return counts, wrong


def whole_documents(
    shelf: Shelf, documents: dict[str, list[str]], model: Model | None
) -> tuple[dict[str, Any], list[str]]:
    """Summaries of 8 and of 20 statements of each document."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    raw: list[tuple[str, str]] = []
    for name, texts in documents.items():
        shelf.put(name, texts)
        for length in (8, 20) if model is None else (8,):
            found, log = summary_of(shelf, length, model)
            mine, bad = checked(found, length)
            counts.update(mine)
            counts["removed"] += len(found.removed)
            wrong += bad
            raw += log.raw
    figures: dict[str, Any] = {
        name: counts[name]
        for name in ("summaries", "statements", "quote", "model", "removed", "unsupported",
                     "over_length")
    }  # fmt: skip
    figures["coverage"] = round(counts["covered"] / max(1, counts["coverable"]), 4)
    if model is not None:
        said = [(prompt, s) for prompt, text in raw for s in sentences(text) or [text] if s.strip()]
        astray = sum(strays(s, prompt) for prompt, s in said)
        figures["ungated_sentences"] = len(said)
        figures["ungated_astray"] = round(astray / max(1, len(said)), 4)
    return figures, wrong


def main() -> int:
    """Measure and print; 1 if a floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policyqa", type=Path)
    parser.add_argument("obliqa", type=Path)
    parser.add_argument("--documents", type=int, default=10, help="of each set")
    parser.add_argument("--model", action="store_true")
    parser.add_argument("--show", type=int, default=0)
    options = parser.parse_args()
    documents: dict[str, list[str]] = {}
    for held in (policyqa(options.policyqa), obliqa(options.obliqa)):
        long = {name: texts for name, texts in held.items() if len(texts) >= 10}
        documents |= dict(list(long.items())[: options.documents])
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shelf = Shelf(open_embedder(home, IndexSettings.load(home)))
        figures: dict[str, Any] = {"overlap": overlaps(shelf, options.policyqa)}
        figures["whole"], wrong = whole_documents(shelf, documents, None)
        if options.model:
            with contextlib.closing(default_model()) as model:
                few = dict(list(documents.items())[: options.documents])
                figures["with_model"], more = whole_documents(shelf, few, model)
                wrong += more
    for line in wrong[: options.show]:
        sys.stderr.write(line + "\n")
    figures["seconds"] = round(time.monotonic() - began, 1)
    held_all = all(
        part["unsupported"] <= FLOORS["unsupported"]
        and part["over_length"] <= FLOORS["over_length"]
        and part["coverage"] >= FLOORS["coverage"]
        for part in (figures["whole"], figures.get("with_model", figures["whole"]))
    )
    measured = figures["overlap"]["practices_8_over_lead"]
    held_all = held_all and measured >= FLOORS["practices_8_over_lead"]
    print(json.dumps({**figures, "floors": FLOORS, "held": held_all}))
    return 0 if held_all else 1


def default_model() -> Model:
    """The model that comes with the project, in its own process."""
    from assistant.llamacpp import LlamaCpp  # late: only with --model
    from assistant.shelf import default_model as file

    return LlamaCpp(file())


if __name__ == "__main__":
    sys.exit(main())
