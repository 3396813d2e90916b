"""Cloister's retriever and model as LangChain components, for chains of one's own.

What such a chain says is its author's: it goes through no gate, carries no citations and is not in
the log. LangChain's tracing, which sends prompts to a remote service when a variable asks for it,
is switched off for the whole process by importing this module.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

for _variable in ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2"):
    os.environ[_variable] = "false"

from langchain_core.callbacks import (  # noqa: E402
    CallbackManagerForLLMRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document  # noqa: E402
from langchain_core.language_models.chat_models import BaseChatModel  # noqa: E402
from langchain_core.messages import (  # noqa: E402
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult  # noqa: E402
from langchain_core.retrievers import BaseRetriever  # noqa: E402

from assistant.answer import Passage  # noqa: E402
from assistant.model import Generation, Model, Sampling  # noqa: E402


class CloisterRetriever(BaseRetriever):
    """Passages that one asker may read, as LangChain documents.

    `search` takes a question and is already bound to the asker's scope; the retriever cannot widen
    it. A `search` whose questions carry `as_of` finds what was in force on that day. The metadata
    holds what a citation needs: `document`, `source`, `title`, `page`, `label`, `chunk`, `start`,
    `end`, `rank`, `score`, and `warning` and `superseded` (whether another document or version has
    its place by now).
    """

    search: Callable[[str], Sequence[Passage]]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [_document(passage) for passage in self.search(query)]


class CloisterChatModel(BaseChatModel):
    """A local model as a LangChain chat model, streaming included.

    Takes system, human and AI messages of plain text; of a conversation, the last message must be
    a human's, and earlier turns are put before it as a transcript. ValueError for anything else
    (tools, images). Nothing is cached: a cache would carry one person's answer to another.
    """

    model: Any  # assistant.model.Model; pydantic cannot look into a protocol
    sampling: Sampling = Sampling()
    cache: Any = False

    @property
    def _llm_type(self) -> str:
        return "cloister"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        model: Model = self.model
        return {"name": model.info.name, "sha256": model.info.sha256, "sampling": self.sampling}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        result = self._result(messages, stop)
        message = AIMessage(result.text, response_metadata=_told(result))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        system, user = _prompt(messages)
        with self.model.generate(system, user, self._sampling(stop)) as stream:
            for piece in stream:
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if run_manager is not None:
                    run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
        told = _told(stream.result)
        last = AIMessageChunk(content="", response_metadata=told, chunk_position="last")
        yield ChatGenerationChunk(message=last)

    def _result(self, messages: list[BaseMessage], stop: list[str] | None) -> Generation:
        model: Model = self.model
        system, user = _prompt(messages)
        with model.generate(system, user, self._sampling(stop)) as stream:
            for _ in stream:
                pass
            return stream.result

    def _sampling(self, stop: list[str] | None) -> Sampling:
        return replace(self.sampling, stop=(*self.sampling.stop, *(stop or ())))


def _document(passage: Passage) -> Document:
    names = ("document", "source", "title", "page", "label", "chunk", "start", "end")
    metadata = {name: getattr(passage, name) for name in (*names, "rank", "score", "warning")}
    metadata["superseded"] = passage.force.superseded
    return Document(id=passage.chunk, page_content=passage.text, metadata=metadata)


def _told(result: Generation) -> dict[str, Any]:
    return {
        "stop_reason": result.stop_reason,
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
    }


def _prompt(messages: Sequence[BaseMessage]) -> tuple[str, str]:
    """The messages as a system prompt and one user message. Raises ValueError."""
    if not messages or not isinstance(messages[-1], HumanMessage):
        raise ValueError("the last message must be a human's")
    system, turns = [], []
    for message in messages:
        if not isinstance(message.content, str):
            raise ValueError("only plain text can be taken")
        if isinstance(message, SystemMessage):
            system.append(message.content)
        elif isinstance(message, HumanMessage | AIMessage):
            turns.append(("Assistant", "User")[isinstance(message, HumanMessage)])
            turns[-1] += f": {message.content}"
        else:
            raise ValueError(f"a {message.type} message cannot be taken")
    user = str(messages[-1].content) if len(turns) == 1 else "\n\n".join(turns)
    return "\n\n".join(system), user
