"""The LangChain components, in real chains."""

from __future__ import annotations

import os

import pytest
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from assistant.answer import Passage
from assistant.chain import CloisterChatModel, CloisterRetriever
from assistant.errors import ModelFailed
from assistant.model import Sampling
from tests.assistant.standins import ScriptedModel, crashing_model

TEXT = "Transaction records are kept for six years."


def search(question: str) -> list[Passage]:
    if "secret" in question:
        return []  # what this asker may not read is not there
    return [Passage(1, 0.9, "d" * 64, "aml.pdf", "AML manual", 12, "xii", "c" * 32, 40, 83, TEXT)]


def joined(documents: list[Document]) -> str:
    return "\n".join(document.page_content for document in documents)


def test_passages_become_documents_with_what_a_citation_needs() -> None:
    (document,) = CloisterRetriever(search=search).invoke("How long?")
    assert document.page_content == TEXT
    assert document.id == "c" * 32
    assert document.metadata == {
        "document": "d" * 64,
        "source": "aml.pdf",
        "title": "AML manual",
        "page": 12,
        "label": "xii",
        "chunk": "c" * 32,
        "start": 40,
        "end": 83,
        "rank": 1,
        "score": 0.9,
        "warning": "",
        "superseded": False,
    }
    assert CloisterRetriever(search=search).invoke("the secret?") == []


def test_both_work_in_a_chain_of_ones_own() -> None:
    model = ScriptedModel(lambda system, user: f"{system}|{user}")
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Use: {context}"), ("human", "{question}")]
    )
    chain = (
        {
            "context": CloisterRetriever(search=search) | RunnableLambda(joined),
            "question": RunnablePassthrough(),
        }
        | prompt
        | CloisterChatModel(model=model)
        | StrOutputParser()
    )
    assert chain.invoke("How long?") == f"Use: {TEXT}|How long?"
    pieces = list(chain.stream("How long?"))
    assert "".join(pieces) == f"Use: {TEXT}|How long?"
    assert len(pieces) > 2
    assert len(model.calls) == 2  # and nothing came out of a cache


def test_the_answer_tells_how_it_ended() -> None:
    chat = CloisterChatModel(model=ScriptedModel(["one two three"]))
    message = chat.invoke("?")
    assert message.content == "one two three"
    assert message.response_metadata["stop_reason"] == "stop"
    merged = None
    for chunk in chat.stream("?"):
        merged = chunk if merged is None else merged + chunk
    assert merged is not None
    assert merged.content == "one two three"
    assert merged.response_metadata["completion_tokens"] == 4


def test_sampling_and_stop_strings_reach_the_model() -> None:
    model = ScriptedModel(["six years. And more"])
    chat = CloisterChatModel(model=model, sampling=Sampling(max_tokens=50, stop=("###",)))
    assert chat.bind(stop=["."]).invoke("?").content == "six years"
    assert model.calls[0][2] == Sampling(max_tokens=50, stop=("###", "."))


def test_a_conversation_is_put_before_the_last_question() -> None:
    model = ScriptedModel(lambda system, user: user)
    messages: list[BaseMessage] = [
        SystemMessage("Be brief."),
        HumanMessage("How long?"),
        AIMessage("Six years."),
        HumanMessage("From when?"),
    ]
    said = CloisterChatModel(model=model).invoke(messages).content
    assert said == "User: How long?\n\nAssistant: Six years.\n\nUser: From when?"
    assert model.calls[0][0] == "Be brief."


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [HumanMessage("a"), AIMessage("b")],
        [ToolMessage("a", tool_call_id="1"), HumanMessage("b")],
        [HumanMessage([{"type": "image_url", "image_url": "http://example.com/a.png"}])],
    ],
)
def test_what_the_model_cannot_take_is_refused(messages: list[BaseMessage]) -> None:
    model = ScriptedModel(["never said"])
    with pytest.raises(ValueError, match=r"taken|must be"):
        CloisterChatModel(model=model).invoke(messages)
    assert model.calls == []


def test_a_failure_of_the_model_is_not_hidden() -> None:
    with pytest.raises(ModelFailed):
        CloisterChatModel(model=crashing_model()).invoke("?")


def test_nothing_is_traced_to_a_remote_service() -> None:
    assert os.environ["LANGSMITH_TRACING"] == "false"
    assert os.environ["LANGCHAIN_TRACING_V2"] == "false"
