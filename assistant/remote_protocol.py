"""What is said to an OpenAI-compatible server and what its answers mean. Pure.

Three servers are known by how they introduce themselves: llama.cpp's `llama-server`, vLLM, and the
server of llama-cpp-python. They differ in how tokens are counted, how an answer is held to a form
and how far what was evaluated for one person is kept from another. Any other server is asked for
what the OpenAI interface has and no more. Everything that comes from a server is untrusted: a field
of the wrong type counts as missing, and its words are never shown.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.errors import ConstraintUnusable
from assistant.model import Sampling

Kind = Literal["llama.cpp", "vllm", "llama-cpp-python", "other"]
NAMES: Mapping[Kind, str] = {
    "llama.cpp": "llama.cpp server",
    "vllm": "vLLM",
    "llama-cpp-python": "llama-cpp-python server",
    "other": "OpenAI-compatible server",
}

ASSUMED_CONTEXT = 4096
_MOST_TOKENS = 10_000_000  # a larger figure from a server is taken for nonsense
# What a chat template adds around two messages where the server does not say: 8 to 40 in the
# families of docs/models.md, some of which put a date or a preamble first.
_AROUND = 64


@dataclass(frozen=True, slots=True)
class Served:
    """What a server says of itself and of the model asked for. `context` 0: it does not say.

    `counts`: it counts the tokens of whole prompts as it evaluates them, of texts alone, or of
    nothing, so that we estimate them.
    """

    kind: Kind
    name: str
    context: int = 0
    sequences: int = 0
    build: str = ""
    counts: Literal["prompt", "text", "nothing"] = "nothing"


def known(models: object, props: object, version: object) -> list[Served]:
    """The models that a server offers, from its replies to /v1/models, /props and /version (None:
    there is no such reply)."""
    found = []
    for entry in _list(_dict(models).get("data")):
        of = _dict(entry)
        name = of.get("id")
        if not isinstance(name, str) or not 0 < len(name) <= 500:
            continue
        owner = of.get("owned_by")
        if owner == "vllm":
            context = _count(of.get("max_model_len"))
            build = _word(_dict(version).get("version"))
            found.append(Served("vllm", name, context, build=build))
        elif owner == "llamacpp" or "default_generation_settings" in _dict(props):
            settings = _dict(_dict(props).get("default_generation_settings"))
            slots = _count(_dict(props).get("total_slots"))
            build = _word(_dict(props).get("build_info"))
            found.append(Served("llama.cpp", name, _count(settings.get("n_ctx")), slots, build))
        else:
            python = owner == "me" and props is None  # it introduces itself no better than that
            found.append(Served("llama-cpp-python" if python else "other", name))
    return found


def choose(offered: Sequence[Served], name: str) -> Served | None:
    """The model called `name`, or the only one if no name is given."""
    if not name:
        return offered[0] if len(offered) == 1 else None
    return next((each for each in offered if each.name == name), None)


def messages(system: str, user: str) -> list[dict[str, str]]:
    """Both texts as a chat, each inert; no system message if there is none."""
    told = [{"role": "system", "content": inert(system)}] if system else []
    return [*told, {"role": "user", "content": inert(user)}]


def render(system: str, user: str) -> str:
    """The messages as they are sent, canonical: keys sorted, no white space, UTF-8 as it is."""
    chat = messages(system, user)
    return json.dumps(chat, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


_CONTROL = re.compile(
    r"<(?=[|｜]|/?s>|[a-z0-9]+_(?:of|id)_|/?(?:think|tool|function|channel|bos|eos|pad|unk|mask|sep"
    r"|cls|unused|reserved|image|audio|video|fim|repo|file|im|start|end)[a-z0-9_]*>"
    r"|0x[0-9a-f]{2}>|<)|(?<=[|｜])>|\[(?=(?-i:/?[A-Z_]{2,24})\])",
    re.IGNORECASE,
)


def inert(text: str) -> str:
    """`text` with every control token that it spells out broken up by a space: "< |im_end|>".

    A server reads control tokens out of a whole conversation, whoever wrote them. Known are the
    forms of the families in docs/models.md; a model with control tokens of another form, or one
    whose turns are marked by plain words, is not protected by this.
    """
    sound = text.encode("utf-8", "replace").decode()
    return _CONTROL.sub(lambda mark: " >" if mark.group() == ">" else f"{mark.group()} ", sound)


def request(
    served: Served, system: str, user: str, sampling: Sampling, *, thinking: bool, salt: str
) -> dict[str, object]:
    """The body of POST /v1/chat/completions. Raises ConstraintUnusable.

    `salt` names what a vLLM server may reuse of evaluated prompts: only what carries the same.
    llama.cpp's server has no such thing, so there nothing is reused from one question to the next.
    """
    body: dict[str, object] = {
        "model": served.name,
        "messages": messages(system, user),
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop[:4] if served.kind == "other" else sampling.stop)
    if sampling.logprobs:
        body |= {"logprobs": True, "top_logprobs": 1}
    if served.kind != "other":
        body |= {"top_k": sampling.top_k, "min_p": 0.0}  # llama.cpp's own default is 0.05
    if served.kind == "vllm":
        body |= {"repetition_penalty": sampling.repeat_penalty, "cache_salt": salt}
    elif served.kind != "other":
        body["repeat_penalty"] = sampling.repeat_penalty
    if served.kind == "llama.cpp":
        body["cache_prompt"] = False
    if served.kind in ("vllm", "llama.cpp"):
        body["chat_template_kwargs"] = {"enable_thinking": thinking}
    return body | _form(served, sampling)


def _form(served: Served, sampling: Sampling) -> dict[str, object]:
    """What holds the answer to a grammar or schema."""
    if sampling.grammar:
        if served.kind not in ("llama.cpp", "llama-cpp-python"):
            raise ConstraintUnusable(f"{NAMES[served.kind]} takes no GBNF grammar")
        return {"grammar": sampling.grammar}
    if not sampling.json_schema:
        return {}
    try:
        schema = json.loads(sampling.json_schema)
    except (ValueError, RecursionError):
        raise ConstraintUnusable("the JSON schema is no JSON") from None
    if not isinstance(schema, dict):
        raise ConstraintUnusable("the JSON schema is no object")
    if served.kind == "llama-cpp-python":
        return {"response_format": {"type": "json_object", "schema": schema}}
    named = {"name": "answer", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server counted and measured; 0 and None: it does not say."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    prefill: float | None = None
    decode: float | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of an answer. `finish` is "" until the end."""

    text: str = ""
    thoughts: str = ""
    finish: str = ""
    logprobs: tuple[float, ...] = ()
    usage: Usage | None = None
    error: bool = False


def read_chunk(untrusted: str) -> Chunk:
    """An event's meaning. Raises ValueError for what is none."""
    try:
        said = json.loads(untrusted)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(said, dict):
        raise ValueError("no object")
    if "error" in said:
        return Chunk(error=True)
    choices = _list(said.get("choices"))
    choice = _dict(choices[0]) if choices else {}
    delta = _dict(choice.get("delta"))
    thoughts = delta.get("reasoning_content") or delta.get("reasoning")
    return Chunk(
        _text(delta.get("content")),
        _text(thoughts),
        _text(choice.get("finish_reason")),
        _logprobs(choice.get("logprobs")),
        _usage(said),
    )


def _usage(said: Mapping[str, object]) -> Usage | None:
    """The counts of OpenAI's `usage` and of llama.cpp's `timings`, which are milliseconds."""
    usage, timings = said.get("usage"), said.get("timings")
    if not isinstance(usage, dict) and not isinstance(timings, dict):
        return None
    counted, measured = _dict(usage), _dict(timings)
    cached = _count(_dict(counted.get("prompt_tokens_details")).get("cached_tokens"))
    return Usage(
        _count(counted.get("prompt_tokens")),
        _count(counted.get("completion_tokens")) or _count(measured.get("predicted_n")),
        cached or _count(measured.get("cache_n")),
        _seconds(measured.get("prompt_ms")),
        _seconds(measured.get("predicted_ms")),
    )


def _logprobs(untrusted: object) -> tuple[float, ...]:
    given = [_dict(each).get("logprob") for each in _list(_dict(untrusted).get("content"))]
    return tuple(
        float(each) for each in given if isinstance(each, int | float) and math.isfinite(each)
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a server refused a question. `needed` and `context` are 0 if it does not say."""

    kind: Literal["busy", "too_long", "form", "key", "model", "other"]
    needed: int = 0
    context: int = 0


_TOO_LONG = re.compile(
    r"exceed_context_size|context_length_exceeded|maximum context length|context window"
    r"|available context size|longer than the maximum model length",
    re.IGNORECASE,
)
_NEEDED = re.compile(
    r"\((\d+) in the messages|requested (\d+) tokens|request \((\d+) tokens"
    r"|prompt contains (?:at least )?(\d+)|prompt \(length (\d+)\)",
    re.IGNORECASE,
)


def refusal(status: int, untrusted: bytes, *, formed: bool) -> Refusal:
    """What an answer other than 200 means; `formed`: a grammar or schema was sent."""
    if status in (429, 503):
        return Refusal("busy")
    if status in (401, 403):
        return Refusal("key")
    said = untrusted.decode("utf-8", "replace")
    if status in (400, 413, 422) and _TOO_LONG.search(said):
        return Refusal("too_long", *_lengths(said))
    if status == 404:
        return Refusal("model")
    form = formed and re.search(r"grammar|schema|response_format", said, re.IGNORECASE)
    return Refusal("form" if form and status in (400, 422, 500) else "other")


def _lengths(said: str) -> tuple[int, int]:
    try:
        error = _dict(_dict(json.loads(said)).get("error"))
    except (ValueError, RecursionError):
        error = {}
    needed, context = _count(error.get("n_prompt_tokens")), _count(error.get("n_ctx"))
    if not needed:
        found = _NEEDED.search(said)
        needed = next((_count(int(n[:9])) for n in found.groups() if n), 0) if found else 0
    return needed, context


def count_request(served: Served, text: str) -> tuple[str, dict[str, object]] | None:
    """Where and how to ask for the number of tokens of a text; None where it cannot be asked."""
    sound = text.encode("utf-8", "replace").decode()
    if served.kind == "llama.cpp":
        return "/tokenize", {"content": sound, "add_special": False, "parse_special": False}
    if served.kind == "vllm":
        return "/tokenize", {"model": served.name, "prompt": sound, "add_special_tokens": False}
    if served.kind == "llama-cpp-python":
        return "/extras/tokenize/count", {"input": sound}
    return None


def read_count(untrusted: object) -> int | None:
    """The number in the answer to a request for one, or of the tokens that it lists."""
    said = _dict(untrusted)
    if "count" in said:
        return _count(said["count"])
    tokens = said.get("tokens")
    return len(tokens) if isinstance(tokens, list) else None


def read_prompt(untrusted: object) -> str | None:
    """The prompt in llama.cpp's answer to /apply-template."""
    prompt = _dict(untrusted).get("prompt")
    return prompt if isinstance(prompt, str) else None


def around(served: Served) -> int:
    """Tokens to allow for the chat template where the server does not apply it for counting."""
    return 0 if served.counts == "prompt" else _AROUND


_RUNS = re.compile(r"[A-Za-z]+|\d|\s+|[^A-Za-z\d\s]")


def estimate(text: str) -> int:
    """At least as many tokens as a usual vocabulary makes of `text`, where nobody counts: one for
    every three letters of a word begun, one for each digit and mark, and one for each byte of
    whatever is not ASCII. About half as many again as the default model counts of prose."""
    total = 0
    for run in _RUNS.findall(text):
        if run.isascii():
            spaces = run.isspace()
            # A space goes with the word after it; breaks and runs of spaces stand alone.
            total += (len(run) if run != " " else 0) if spaces else -(-len(run) // 3)
        else:
            total += len(run.encode("utf-8", "replace"))
    return total


def _dict(untrusted: object) -> Mapping[str, object]:
    return untrusted if isinstance(untrusted, dict) else {}


def _list(untrusted: object) -> Sequence[object]:
    return untrusted if isinstance(untrusted, list) else ()


def _text(untrusted: object) -> str:
    """A string that can be written as UTF-8; "" for anything else."""
    if not isinstance(untrusted, str):
        return ""
    return untrusted.encode("utf-8", "replace").decode()


def _count(untrusted: object) -> int:
    whole = isinstance(untrusted, int) and not isinstance(untrusted, bool)
    return untrusted if whole and 0 <= untrusted <= _MOST_TOKENS else 0  # type: ignore[operator, return-value]


def _seconds(untrusted: object) -> float | None:
    if isinstance(untrusted, int | float) and 0 <= untrusted < 1e9:
        return untrusted / 1000
    return None


def _word(untrusted: object) -> str:
    """A version as one short word."""
    return re.sub(r"[^\w.+-]", "", untrusted)[:60] if isinstance(untrusted, str) else ""
