"""What is said where no answer is given: the question cannot be taken, the documents hold too
little, or the question is about all of them. Pure."""

from __future__ import annotations

from assistant import counting, direct
from assistant.answer import Answer, Passage, Verdict
from assistant.retrieval import Found, passage

_NEAREST = 3
_NOTHING = "The documents do not answer this question."


def refusal(text: str, longest: int) -> tuple[str, str] | None:
    """Why a question cannot be taken, as a code and a sentence; `longest` in characters."""
    if not text.strip():
        return "EMPTY", "The question is empty: type what you want to know."
    if len(text) > longest:
        return "TOO_LONG", (
            f"The question has {len(text):,} characters and {longest:,} are taken: ask for one "
            "thing at a time, or raise question_max_chars in the [assistant] table of "
            "cloister.toml."
        )
    return None


def offered(text: str, held: int, found: Found) -> Answer | None:
    """The offer of a sweep over the `held` documents, if the question counts or lists them: the
    nearest passages of some would pass for all."""
    offer = counting.offer(text, held)
    if offer is None:
        return None
    return Answer(
        Verdict.ABSTAINED,
        offer.sentence,
        nearest=nearest(found),
        explanation="The nearest passages are listed; a sweep shows every document.",
        offer=offer,
    )


def too_little(found: Found, as_of: str | None, *, by_cells: bool) -> Answer | None:
    """The answer that there is none, if the evidence does not suffice; with `by_cells` also if one
    of several figures of a table is asked for and it is not clear which; not of a question in
    several parts, of which the others may well be answered."""
    enough = found.decision.enough
    unclear = by_cells and not found.asked.parts and direct.ambiguous(found)
    if enough and not unclear:
        return None
    then = f" and that were in force on {as_of}" if as_of is not None else ""
    if not found.scope.collections:
        why = "There is no collection that you may read."
    elif not found.hits:
        why = f"No passage was found in the documents that you may read{then}."
    elif enough:
        why = (
            "A table holds several figures that may be meant: say which row, and which year or "
            "column; the nearest passages are listed."
        )
    else:
        why = (
            f"No sentence in the documents that you may read{then} is near enough to the question "
            "to answer it; the nearest passages are listed."
        )
    return Answer(Verdict.ABSTAINED, _NOTHING, nearest=nearest(found), explanation=why)


def nearest(found: Found) -> tuple[Passage, ...]:
    """The passages that come nearest to a question without an answer."""
    labels = {place: page.label for place, page in found.pages.items()}
    return tuple(
        passage(hit, labels[hit.chunk.document_id, hit.chunk.page], found.standings)
        for hit in found.hits[:_NEAREST]
    )
