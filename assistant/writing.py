"""The model's part: a prompt under its token budget, its text cut into sentences as it comes, each
through the gate.

A sentence that is supported but does not answer the question waits until one that does has come;
if none comes, none of them is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from assistant import packing
from assistant.answer import Removed
from assistant.gate import Judged, Reason
from assistant.instructions import asks_about_them
from assistant.layout import Unit
from assistant.model import Model
from assistant.packing import Block, Packed
from assistant.prompts import DEFAULT, PromptSet
from assistant.retrieval import Found
from assistant.sentences import LONGEST, sentence_end

_LOOP = re.compile(r"(.{1,24}?)\1{7,}$", re.DOTALL)  # the same few characters again and again
_LOOKED_AT = 64  # pieces of the text's end
_GIVE_UP_AFTER = 5  # sentences in a row that the gate removed: what follows is no better


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is asked: `text` is the prompt as evaluated, chat template applied."""

    system: str
    user: str
    text: str
    tokens: int
    packed: Packed
    made_by: PromptSet = DEFAULT


def order_blocks(found: Found) -> tuple[Block, ...]:
    """The retrieved passages, those with the best evidence first."""
    blocks = [
        packing.with_lines(block, _for_a_reader(found, block))
        for block in packing.merge(found.hits, found.pages)
    ]
    places = [
        (e.candidate.document, e.candidate.page, e.candidate.unit.start) for e in found.ranked
    ]

    def best(block: Block) -> tuple[int, int]:
        inside = [
            n
            for n, (document, page, start) in enumerate(places)
            if (document, page) == (block.document, block.page) and block.start <= start < block.end
        ]
        return (inside[0] if inside else len(places), block.hits[0])

    return tuple(sorted(blocks, key=best))


def _for_a_reader(found: Found, block: Block) -> list[Unit]:
    """The units of the block's page without those that speak to a language model, unless the
    question is about such."""
    units = found.layouts[block.document, block.page]
    about_them = asks_about_them(found.asked.text)
    return [unit for unit in units if about_them or not unit.addressed]


def compose_prompt(
    model: Model, found: Found, budget: int, most: int, prompt: PromptSet = DEFAULT
) -> Prompt:
    """The prompt for `found`: at most `budget` tokens in all and `most` passages.

    A question so long that nothing fits beside it gets at least the start of the best passage;
    the model then refuses what its context cannot hold (`PromptTooLong`).
    """
    fixed = model.prompt_tokens(prompt.system, prompt.user((), found.asked.text))
    around = model.count_tokens(prompt.fill("passage", number=1, title="x" * 40, text=""))

    room = max(budget - fixed, packing.SMALLEST_CUT + around)
    packed = packing.pack(order_blocks(found), room, most, model.count_tokens, around)
    user = prompt.user(packed.kept, found.asked.text)
    return Prompt(
        prompt.system,
        user,
        model.render(prompt.system, user),
        model.prompt_tokens(prompt.system, user),
        packed,
        prompt,
    )


def sentences_of(pieces: Iterable[str]) -> Iterator[str | None]:
    """Whole sentences (or lines) out of the pieces of a text, as soon as each is complete; the
    last may be cut off. A sentence without end is cut at LONGEST characters. None after each
    piece."""
    held = ""
    for piece in pieces:
        held += piece
        while (end := sentence_end(held)) or len(held) > LONGEST:
            cut = end or LONGEST
            if held[:cut].strip():
                yield held[:cut].strip()
            held = held[cut:].lstrip()
        yield None
    if held.strip():
        yield held.strip()


@dataclass(slots=True)
class Written:
    """What came of the model's text: sentences to show, in order, and those removed."""

    shown: list[Judged] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)


class Judge(Protocol):
    """What decides on sentences: `assistant.gate.Gate`, or that and a second opinion."""

    def judge(self, sentence: str, shown: Sequence[Judged] = ()) -> Judged: ...

    def responds(self, judged: Judged) -> bool: ...


def judge_stream(
    gate: Judge, pieces: Iterable[str], most: int, written: Written, stop: Callable[[], None]
) -> Iterator[Judged | None]:
    """Sentences that may be shown, as they pass, and None after each piece of text. `written`
    takes in everything else; `stop` is called once no further text is wanted."""
    waiting: list[Judged] = []
    in_a_row = 0

    def keep() -> Iterator[str]:
        for piece in pieces:
            written.raw.append(piece)
            if _LOOP.search("".join(written.raw[-_LOOKED_AT:])):
                stop()
                return
            yield piece

    for text in sentences_of(keep()):
        if text is None:
            yield None
            continue
        judged = gate.judge(text, [*written.shown, *waiting])
        if judged.support is None:
            written.removed.append(
                Removed(text, judged.reason or Reason.NO_EVIDENCE, judged.detail)
            )
            in_a_row += judged.reason is not Reason.META
        else:
            in_a_row = 0
            waiting.append(judged)
            if written.shown or gate.responds(judged):
                written.shown.extend(waiting)
                yield from waiting
                waiting = []
        if len(written.shown) >= most or in_a_row >= _GIVE_UP_AFTER:
            stop()
            break
    written.removed.extend(Removed(each.text, Reason.UNRESPONSIVE) for each in waiting)


def differing(removed: Sequence[Removed]) -> dict[str, int]:
    """How many sentences were removed, by reason code."""
    counts: dict[str, int] = {}
    for each in removed:
        counts[each.reason] = counts.get(each.reason, 0) + 1
    return counts
