"""What the API takes and gives, as pure decisions: bytes to a request, an answer to JSON.

The shapes are those of OpenAI's chat completions. A parameter that would change what an answer
means, or that is unknown (a misspelt `collections` would widen what is searched), is refused; one
that only tunes a model is accepted without effect and named in `cloister.ignored`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assistant.answer import Answer, Citation, Passage, Turn
from ui.api_errors import bad
from ui.cli_ask import conflict_json
from ui.errors import UsageError
from ui.flow import HISTORY_SENT
from ui.options import checked_collection, checked_day

MAX_BODY = 1 << 20  # bytes
MAX_DEPTH = 16  # of lists and objects within each other
MAX_MESSAGES = 200
MAX_TEXT = 100_000  # characters of one message; the question's own limit is a setting
MAX_COLLECTIONS = 100
MAX_DOCUMENTS = 1_000
MAX_NAME = 4_096  # characters of a document's source
MAX_HITS = 100

_IGNORED = {
    *("frequency_penalty", "logit_bias", "max_completion_tokens", "max_tokens", "metadata"),
    *("moderation", "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key"),
    *("prompt_cache_options", "prompt_cache_retention", "reasoning_effort", "safety_identifier"),
    *("seed", "service_tier", "stop", "store", "temperature", "top_logprobs", "top_p", "user"),
    "verbosity",
}
_OURS = {"as_of", "collections", "conversation", "documents", "messages", "model", "n", "stream"}
_OURS |= {"stream_options"}
_PLACE = ("document", "source", "title", "page", "label", "start", "end")
_CITED = ("number", *_PLACE, "quote", "warning")
_NEAREST = ("rank", "score", *_PLACE, "chunk", "text", "warning")
# Each with the values that ask for nothing and are taken.
_REFUSED: dict[str, tuple[object, ...]] = {
    "audio": (),
    "function_call": ("none",),
    "functions": ([],),
    "logprobs": (False,),
    "modalities": (["text"],),
    "response_format": ({"type": "text"},),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "web_search_options": (),
}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked request for an answer. `ignored` names what was accepted without effect."""

    model: str
    text: str
    history: tuple[Turn, ...]
    stream: bool
    include_usage: bool
    collections: frozenset[str] | None
    as_of: str | None
    conversation: str
    ignored: tuple[str, ...]
    documents: tuple[str, ...] = ()  # sources or ids; none: all


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A checked request for passages."""

    text: str
    k: int
    collections: frozenset[str] | None
    as_of: str | None
    documents: tuple[str, ...] = ()


def parsed(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, which is Unicode throughout and not nested too deeply.

    Raises Refused.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise bad("The body is not JSON in UTF-8; correct it.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise bad("The body must be one JSON object.", code="invalid_json")
    if _deeper_than(value, MAX_DEPTH):
        raise bad(f"The body is nested deeper than {MAX_DEPTH} levels.", code="invalid_json")
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except ValueError:  # a lone surrogate, which no record could hold
        raise bad("The body holds text that is no Unicode.", code="invalid_json") from None
    return {name: given for name, given in value.items() if given is not None}


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _deeper_than(value: object, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            inner for outer in layer for inner in _inside(outer) if isinstance(inner, (dict, list))
        ]
        if not layer:
            return False
    return True


def _inside(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def chat_request(value: Mapping[str, Any]) -> ChatRequest:
    """The request for an answer in a parsed body. Raises Refused."""
    ignored = _known_only(value)
    model = value.get("model")
    if not isinstance(model, str):
        raise bad('`model` is needed; use "cloister".', "model", "missing_required_parameter")
    if value.get("n", 1) != 1 or isinstance(value.get("n"), bool):
        raise bad("There is one answer to a question here: leave `n` out.", "n")
    stream = flag(value, "stream")
    options = value.get("stream_options", {})
    known = {"include_usage", "include_obfuscation"}
    if not isinstance(options, dict) or not set(options) <= known:
        raise bad("`stream_options` takes `include_usage` only.", "stream_options")
    if options and not stream:
        raise bad("`stream_options` needs `stream`.", "stream_options")
    text, history, skipped = _messages(value.get("messages"))
    conversation = value.get("conversation", "")
    if not isinstance(conversation, str) or len(conversation) > 200:
        raise bad("`conversation` must be text of up to 200 characters.", "conversation")
    return ChatRequest(
        model=model,
        text=text,
        history=history,
        stream=stream,
        include_usage=flag(options, "include_usage"),
        collections=collections(value),
        as_of=as_of(value),
        conversation=conversation,
        ignored=(*ignored, *skipped),
        documents=documents(value),
    )


def search_request(value: Mapping[str, Any]) -> SearchRequest:
    """The request for passages in a parsed body. Raises Refused."""
    unknown = sorted(set(value) - {"query", "k", "collections", "as_of", "documents"})
    if unknown:
        raise bad(f"The parameter {unknown[0][:80]!r} is not known here.", code="unknown_parameter")
    text = value.get("query")
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
        raise bad("`query` must be text that is not empty: what you want to find.", "query")
    k = value.get("k", 10)
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= MAX_HITS:
        raise bad(f"`k` must be a whole number from 1 to {MAX_HITS}.", "k")
    return SearchRequest(text, k, collections(value), as_of(value), documents(value))


def _known_only(value: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters without effect. Raises Refused for an unknown or impossible one."""
    for name, given in value.items():
        if name in _REFUSED:
            if given not in _REFUSED[name]:
                raise bad(
                    f"`{name}` cannot be honoured: an answer here is text from the documents, "
                    "sentence by sentence checked against them; leave it out.",
                    name,
                    "unsupported_parameter",
                )
        elif name not in _OURS and name not in _IGNORED:
            raise bad(
                f"The parameter {name[:80]!r} is not known here; correct it or leave it out.",
                name[:80],
                "unknown_parameter",
            )
    return tuple(sorted(name for name in value if name in _IGNORED or name in _REFUSED))


def flag(value: Mapping[str, Any], name: str) -> bool:
    """A field that is true or false, false if it is left out. Raises Refused."""
    given = value.get(name)
    if given is not None and not isinstance(given, bool):
        raise bad(f"`{name}` must be true or false.", name)
    return bool(given)


def collections(value: Mapping[str, Any]) -> frozenset[str] | None:
    """The collections asked for. A name that does not exist is treated like one that may not be
    read: nobody learns which of the two it is. Raises Refused."""
    if "collections" not in value:
        return None
    names = value["collections"]
    if not isinstance(names, list) or not 1 <= len(names) <= MAX_COLLECTIONS:
        raise bad(
            f"`collections` must be a list of 1 to {MAX_COLLECTIONS} names; leave it out to ask "
            "all that you may read.",
            "collections",
        )
    for name in names:
        try:
            checked_collection(name if isinstance(name, str) else "")
        except UsageError:
            raise bad("`collections` holds what is no collection's name.", "collections") from None
    return frozenset(names)


def documents(value: Mapping[str, Any]) -> tuple[str, ...]:
    """The documents asked for, by source or id, none for all. Raises Refused."""
    if "documents" not in value:
        return ()
    names = value["documents"]
    if not isinstance(names, list) or not 1 <= len(names) <= MAX_DOCUMENTS:
        raise bad(
            f"`documents` must be a list of 1 to {MAX_DOCUMENTS:,} sources or ids; leave it out to "
            "ask all that you may read.",
            "documents",
        )
    if not all(isinstance(each, str) and 0 < len(each) <= MAX_NAME for each in names):
        raise bad("`documents` holds what is no source or id of a document.", "documents")
    return tuple(dict.fromkeys(names))


def as_of(value: Mapping[str, Any], name: str = "as_of") -> str | None:
    """The day asked about. Raises Refused."""
    if name not in value:
        return None
    try:
        given = value[name]
        return checked_day(given if isinstance(given, str) else "")
    except UsageError:
        raise bad(f"`{name}` must be a day such as 2025-06-30.", name) from None


def _messages(given: object) -> tuple[str, tuple[Turn, ...], tuple[str, ...]]:
    """The question, the turns before it, and what of the messages has no effect. Raises Refused."""
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_MESSAGES:
        raise bad(f"`messages` must be a list of 1 to {MAX_MESSAGES} messages.", "messages")
    said = [_message(message, f"messages[{number}]") for number, message in enumerate(given)]
    skipped = {f"messages.{role}" for role, _ in said if role in ("system", "developer")}
    talk = [(role, text) for role, text in said if role in ("user", "assistant")]
    if not talk or talk[-1][0] != "user":
        raise bad("The last message must be the user's question.", "messages")
    turns: list[Turn] = []
    for role, text in talk[:-1]:
        if role == "user":
            turns.append(Turn(text, ""))
        elif turns:
            last = turns.pop()
            turns.append(Turn(last.question, f"{last.answer}\n{text}".strip()))
        else:
            skipped.add("messages.assistant")  # an answer to nothing
    if len(turns) > HISTORY_SENT:
        skipped.add("messages.earlier")
    return talk[-1][1], tuple(turns[-HISTORY_SENT:]), tuple(sorted(skipped))


def _message(message: object, where: str) -> tuple[str, str]:
    """The role and the text of one message. Raises Refused."""
    if not isinstance(message, dict):
        raise bad(f"`{where}` must be an object with `role` and `content`.", where)
    role, content = message.get("role"), message.get("content")
    if role not in ("system", "developer", "user", "assistant"):
        raise bad(f"`{where}.role` must be system, developer, user or assistant.", f"{where}.role")
    if any(message.get(name) for name in ("tool_calls", "function_call", "audio")):
        raise bad(f"`{where}` may hold text only.", where, "unsupported_parameter")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(_is_text(part) for part in parts):
        raise bad(
            f"`{where}.content` must be text, or parts of type text; images, audio and files are "
            "not taken.",
            f"{where}.content",
        )
    text = "\n".join(part["text"] for part in parts)
    if len(text) > MAX_TEXT:
        raise bad(f"`{where}` has more than {MAX_TEXT:,} characters.", where)
    return str(role), text


def _is_text(part: object) -> bool:
    return (
        isinstance(part, dict)
        and part.get("type") in ("text", "input_text")
        and isinstance(part.get("text"), str)
    )


def conversation_name(key_id: str, conversation: str) -> str:
    """The name under which the engine may keep a conversation's evaluated prompt: of this key, so
    that no client can name another's; "" for none."""
    if not conversation:
        return ""
    named = json.dumps(["api", key_id, conversation])
    return hashlib.sha256(named.encode("utf-8")).hexdigest()


def cited(citations: Sequence[Citation]) -> list[dict[str, object]]:
    """Citations as JSON. The keys are an interface."""
    return [_with_force(_CITED, citation) for citation in citations]


def _with_force(keys: Sequence[str], what: Citation | Passage) -> dict[str, object]:
    found = {key: getattr(what, key) for key in keys}
    return {**found, **{key: value for key, value in asdict(what.force).items() if value}}


def extension(answer: Answer, ignored: Sequence[str]) -> dict[str, object]:
    """What Cloister says of an answer beside OpenAI's fields. The keys are an interface.

    Of the model's sentences that did not pass the gate only the reasons are told, with their count.
    """
    return {
        "verdict": answer.verdict.value,
        "understood": answer.understood,
        "citations": cited(answer.citations),
        "nearest": [_with_force(_NEAREST, passage) for passage in answer.nearest],
        "conflicts": [conflict_json(conflict) for conflict in answer.conflicts],
        **({} if answer.offer is None else {"offer": asdict(answer.offer)}),
        "explanation": answer.explanation,
        "removed": dict(sorted(Counter(each.reason for each in answer.removed).items())),
        "model": answer.model,
        "as_of": answer.as_of or None,
        "record": answer.record,
        "request": answer.request,
        "ignored": list(ignored),
    }
