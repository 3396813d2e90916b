"""A plain retrieve-and-prompt chain, to compare answers with: what most tools do.

The passages that the embedder finds nearest go, in that order, into one prompt with "Answer the
question from the context"; the model answers at temperature 0 and whatever it says is shown. No
gate, no evidence, no refusal but the model's own. The model, its engine and the embedder are those
of the data folder, so that nothing but the chain differs.

    with open_chain(home) as chain:
        chain.answer(question, chain.nearest(question, passages, 3))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from assistant.compose import chooser, engine
from assistant.model import Model, Sampling
from assistant.settings import AssistantSettings
from index.compose import open_index
from index.ports import Embedder

SYSTEM = "You are a helpful assistant."
PROMPT = (
    "Answer the question from the context. If the context does not contain the answer, say that "
    "you do not know.\n\nContext:\n{context}\n\nQuestion: {question}\nAnswer:"
)
LONGEST_ANSWER = 128  # tokens


class PlainChain:
    """The chain over one model and one embedder, which stay the caller's."""

    def __init__(self, model: Model, embedder: Embedder) -> None:
        self._model = model
        self._embedder = embedder

    def nearest(self, question: str, passages: Sequence[str], k: int = 3) -> tuple[str, ...]:
        """The `k` of `passages` with the highest cosine to the question, nearest first."""
        if not passages:
            return ()
        vectors = self._embedder.embed_passages(list(passages))
        cosines = vectors @ self._embedder.embed_query(question)
        return tuple(passages[at] for at in np.argsort(-cosines, kind="stable")[:k])

    def answer(self, question: str, passages: Sequence[str]) -> str:
        """What the model says of `question` with `passages` before it, white space at the ends
        stripped. What does not fit its context is cut from the end of the last passages."""
        user = self._fitting(question, list(passages))
        sampling = Sampling(max_tokens=LONGEST_ANSWER)
        with self._model.generate(SYSTEM, user, sampling) as stream:
            return "".join(stream).strip()

    def _fitting(self, question: str, passages: list[str]) -> str:
        room = self._model.info.context - LONGEST_ANSWER
        while True:
            user = PROMPT.format(context="\n\n".join(passages), question=question)
            if not passages or self._model.prompt_tokens(SYSTEM, user) <= room:
                return user
            last = passages.pop()
            if len(last) > 200:
                passages.append(last[: len(last) * 3 // 4])


@contextmanager
def open_chain(home: Path) -> Iterator[PlainChain]:
    """The chain with the model and the embedder that `home` is set up with.

    Raises IndexFailure, AssistantError: settings or a model are missing or altered.
    """
    settings = AssistantSettings.load(home)
    model = engine(settings, chooser(settings, home), None)
    try:
        with open_index(home) as index:
            yield PlainChain(model, index.embedder)
    finally:
        model.close()
