"""The model port over an OpenAI-compatible server inside the premises.

Pieces are taken off the connection by the thread of `assistant.remote_http` and wait here, so that
a slow reader holds nobody up; giving an answer up closes its connection, which is how such servers
are told to stop. A lost connection is tried again only while nothing of the answer has come.

What the server does with what it is sent cannot be checked from here: which file it runs, whether
it keeps texts, and, but for vLLM, whether it reuses what it evaluated for somebody else.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from assistant import remote_protocol as protocol
from assistant.errors import (
    AssistantError,
    ConstraintUnusable,
    PromptTooLong,
    ScoringUnsupported,
    ServerBusy,
    ServerFailed,
)
from assistant.line import Line
from assistant.model import NOBODY, Caller, ModelInfo, Sampling
from assistant.premises import LOOPBACK, check_literal, parse_address, parse_networks
from assistant.remote_http import Access, Http, Reply, Take, read_api_key
from assistant.remote_protocol import Served
from assistant.remote_stream import RemoteStream

_REMEMBERED = 64  # prompts whose tokens were counted, and conversations that have a salt each
_CHAT = "/v1/chat/completions"
_INTRODUCTION = 10.0  # seconds that each question to the server about itself may take
_PAUSE = 2.0  # seconds after a server that did not answer these is asked again


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """How a server is used; the settings `larger_model_*` say what each means. `name` "" takes the
    only model there is, `context` 0 what the server says. `known_seconds` is how long what it said
    of itself is believed."""

    name: str = ""
    context: int = 0
    sequences: int = 4
    queue_limit: int = 16
    retries: int = 2
    thinking: bool = False
    known_seconds: float = 60.0


def open_remote(
    url: str,
    networks: Sequence[str] = LOOPBACK,
    options: RemoteOptions | None = None,
    *,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    api_key_file: Path | None = None,
) -> RemoteModel:
    """The model at `url`, which must lie in one of `networks`. Connects to nothing yet.

    Raises ServerRefused for an address, certificate or key file that cannot be used.
    """
    server = parse_address(url)
    allowed = parse_networks(networks)
    check_literal(server, allowed)
    api_key = read_api_key(api_key_file) if api_key_file is not None else ""
    access = Access(allowed, ca=ca, certificate=certificate, key=key, api_key=api_key)
    return RemoteModel(Http(server, access), server.url, options)


class RemoteModel:
    """`assistant.model.Model` over one server."""

    def __init__(self, http: Http, where: str, options: RemoteOptions | None = None) -> None:
        self._http = http
        self._where = where
        self.options = options or RemoteOptions()
        self.line = Line(self._places, self.options.queue_limit)
        self._lock = threading.Lock()
        self._served: Served | None = None
        self._believed_until = 0.0
        self._failure: AssistantError | None = None
        self._failed_until = 0.0
        self._counted: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._salts: OrderedDict[str, str] = OrderedDict()

    def _places(self) -> int:
        served = self._served
        said = served.sequences if served else 0
        return min(said, self.options.sequences) if said else self.options.sequences

    @property
    def info(self) -> ModelInfo:
        served = self.served()
        build = f" {served.build}" if served.build else ""
        return ModelInfo(
            name=served.name,
            sha256="",
            quantization="",
            architecture="",
            context=self.context(served),
            runtime=f"{protocol.NAMES[served.kind]}{build}",
            template_sha256="",
            sequences=self._places(),
            exact=False,
            where=self._where,
            notes=self._notes(served),
        )

    def _notes(self, served: Served) -> tuple[str, ...]:
        notes = []
        if not served.context and not self.options.context:
            notes.append(
                f"The server does not say its context; {protocol.ASSUMED_CONTEXT} was assumed."
            )
        if served.counts == "nothing":
            notes.append("The server counts no tokens; they are estimated, rather too high.")
        return tuple(notes)

    def context(self, served: Served) -> int:
        """Tokens that prompt and answer share."""
        said, wanted = served.context, self.options.context
        if said and wanted:
            return min(said, wanted)
        return said or wanted or protocol.ASSUMED_CONTEXT

    def served(self) -> Served:
        """What the server says of itself; asked anew after a while, and after a failure.

        Raises ServerFailed, ServerRefused, ServerBusy.
        """
        with self._lock:
            now = time.monotonic()
            if self._served is not None and now < self._believed_until:
                return self._served
            if self._failure is not None and now < self._failed_until:
                raise self._failure.with_traceback(
                    None
                )  # whoever waited for the same need not wait again
            try:
                self._served = self._introduced()
            except AssistantError as error:
                self._served, self._failure = None, error
                self._failed_until = time.monotonic() + _PAUSE
                raise
            self._counted.clear()
            self._failure = None
            self._believed_until = time.monotonic() + self.options.known_seconds
            return self._served

    def doubt(self) -> None:
        """Ask the server anew what it is before the next answer: it failed."""
        self._believed_until = 0.0

    def _introduced(self) -> Served:
        reply = self._exchange("/v1/models", seconds=_INTRODUCTION)
        if reply.status != 200:
            raise self.refused(reply, formed=False)
        props, version = self._optional("/props"), self._optional("/version")
        offered = protocol.known(_json(reply), props, version)
        chosen = protocol.choose(offered, self.options.name)
        if chosen is None:
            wanted = self.options.name or "one model alone, so larger_model_name must choose"
            raise ServerFailed(self._where, f"it does not offer {wanted}")
        if self._count(chosen, "a") is None:
            return chosen
        chosen = replace(chosen, counts="text")
        whole = self._count_prompt(chosen, "a", "b")
        return chosen if whole is None else replace(chosen, counts="prompt")

    def _exchange(
        self, path: str, body: dict[str, object] | None = None, seconds: float = 30.0
    ) -> Reply:
        """A question that changes nothing, so that a lost connection is no reason to give up."""
        try:
            try:
                return self._http.exchange(path, body, seconds)
            except ServerFailed as error:
                if not error.passing:
                    raise
                return self._http.exchange(path, body, seconds)
        except ServerFailed:
            self.doubt()
            raise

    def _optional(self, path: str) -> object:
        """The reply to a question that not every server knows; None if this one does not."""
        reply = self._exchange(path, seconds=_INTRODUCTION)
        return _json(reply) if reply.status == 200 else None

    def warm(self) -> None:
        threading.Thread(target=self._warm, daemon=True).start()

    def _warm(self) -> None:
        with contextlib.suppress(AssistantError):  # whoever needs the model is told
            self.served()

    def count_tokens(self, text: str) -> int:
        served = self.served()
        if not text:
            return 0
        counted = self._count(served, text) if served.counts != "nothing" else None
        return protocol.estimate(text) if counted is None else counted

    def _count(self, served: Served, text: str) -> int | None:
        """The tokens of a text; None if the server does not count them."""
        request = protocol.count_request(served, text)
        if request is None:
            return None
        reply = self._exchange(*request)
        return protocol.read_count(_json(reply)) if reply.status == 200 else None

    def prompt_tokens(self, system: str, user: str) -> int:
        """As the port says where the server applies its template for us (llama.cpp, vLLM);
        elsewhere rather more than it will be."""
        served = self.served()
        known = self._counted.get((system, user))
        if known is None:
            known = self._prompt_tokens(served, system, user)
            self._counted[system, user] = known
            _trim(self._counted)
        return known

    def _prompt_tokens(self, served: Served, system: str, user: str) -> int:
        if served.counts == "prompt":
            counted = self._count_prompt(served, system, user)
            if counted is not None:
                return counted
        texts = [message["content"] for message in protocol.messages(system, user)]
        return protocol.around(served) + sum(map(self.count_tokens, texts))

    def _count_prompt(self, served: Served, system: str, user: str) -> int | None:
        """The tokens of a prompt with its template, where the server tells."""
        chat = protocol.messages(system, user)
        thinking: dict[str, object] = {
            "chat_template_kwargs": {"enable_thinking": self.options.thinking}
        }
        if served.kind == "vllm":
            body = {"model": served.name, "messages": chat, "add_generation_prompt": True}
            reply = self._exchange("/tokenize", {**body, **thinking})
            return protocol.read_count(_json(reply)) if reply.status == 200 else None
        if served.kind != "llama.cpp":
            return None
        applied = self._exchange("/apply-template", {"messages": chat, **thinking})
        prompt = protocol.read_prompt(_json(applied)) if applied.status == 200 else None
        if prompt is None:
            return None
        whole = {"content": prompt, "add_special": True, "parse_special": True}
        reply = self._exchange("/tokenize", whole)
        return protocol.read_count(_json(reply)) if reply.status == 200 else None

    def render(self, system: str, user: str) -> str:
        """The messages as they are sent; the server applies its chat template itself."""
        return protocol.render(system, user)

    def generate(
        self,
        system: str,
        user: str,
        sampling: Sampling,
        deadline: float | None = None,
        cancelled: Callable[[], bool] | None = None,
        caller: Caller = NOBODY,
    ) -> RemoteStream:
        return RemoteStream(
            self, (system, user, sampling), caller, deadline, cancelled or (lambda: False)
        )

    def prepared(
        self, system: str, user: str, sampling: Sampling, caller: Caller
    ) -> tuple[dict[str, object], int]:
        """What is sent for an answer, and the prompt's tokens as counted or estimated.

        Raises PromptTooLong, ConstraintUnusable, ServerFailed, ServerRefused, ServerBusy.
        """
        served = self.served()
        salt = self._salt(caller.conversation)
        thinking = self.options.thinking
        body = protocol.request(served, system, user, sampling, thinking=thinking, salt=salt)
        tokens, context = self.prompt_tokens(system, user), self.context(served)
        room = context - tokens
        if room < 1 and served.counts != "nothing":
            raise PromptTooLong(tokens + 1, context)
        if room >= 1:  # an estimate may well say less than 1; then the server decides
            body["max_tokens"] = min(sampling.max_tokens, room)
        return body, tokens

    def send(self, body: dict[str, object], take: Take) -> Callable[[], None]:
        """Begin an answer; `take` gets what arrives. Returns what gives it up."""
        return self._http.open(_CHAT, body, take)

    def refused(self, reply: Reply, *, formed: bool, tokens: int = 0) -> AssistantError:
        """A refusal as one of our errors; `tokens` is what we take the prompt to have."""
        why = protocol.refusal(reply.status, reply.untrusted_body, formed=formed)
        said = reply.untrusted_body[:2000].decode("utf-8", "replace")
        if why.kind == "busy":
            return ServerBusy(self._where, reply.status)
        if why.kind == "too_long":
            served = self._served
            context = why.context or (self.context(served) if served else 0)
            return PromptTooLong(max(why.needed, tokens, context + 1), context)
        if why.kind == "form":
            return ConstraintUnusable("the model server does not take it")
        reason = {
            "key": f"it does not take our key (HTTP {reply.status}), see model_api_key_file",
            "model": "it does not know the model or the path (HTTP 404)",
        }.get(why.kind, f"HTTP {reply.status}")
        return ServerFailed(self._where, reason, said)

    def failed(self, reason: str, detail: str = "", *, passing: bool = False) -> ServerFailed:
        """A failure of this server."""
        return ServerFailed(self._where, reason, detail, passing=passing)

    def _salt(self, conversation: str) -> str:
        """What one conversation's evaluated prompts are kept under; of no use to any other."""
        if not conversation:
            return secrets.token_hex(32)
        with self._lock:
            salt = self._salts.setdefault(conversation, secrets.token_hex(32))
            self._salts.move_to_end(conversation)
            _trim(self._salts)
            return salt

    def score(
        self,
        system: str,
        user: str,
        text: str,
        deadline: float | None = None,
        caller: Caller = NOBODY,
    ) -> tuple[float, ...]:
        """Raises ScoringUnsupported but for no text: chat servers tell how likely their own words
        are, not ours."""
        if not text:
            return ()
        raise ScoringUnsupported("it runs on a server")

    @contextlib.contextmanager
    def held(self) -> Iterator[RemoteModel]:
        """This model: what a server loads in its place cannot be held off from here."""
        yield self

    def forget(self, conversation: str) -> None:
        """What the server evaluated for the conversation cannot be named any more."""
        with self._lock:
            if conversation:
                self._salts.pop(conversation, None)
            else:
                self._salts.clear()

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _json(reply: Reply) -> object:
    """A reply's meaning; None for what is no JSON."""
    try:
        return reply.json()
    except ValueError:
        return None


def _trim(remembered: OrderedDict[str, str] | OrderedDict[tuple[str, str], int]) -> None:
    while len(remembered) > _REMEMBERED:
        with contextlib.suppress(KeyError):  # another thread was first
            remembered.popitem(last=False)
