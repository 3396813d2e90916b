"""Reviewed chat formats of the families, and which one a model is prompted in.

A GGUF file says how its model wants to be prompted by a template in Jinja, which is a program: it
is never run here. What it contains, the architecture and the control tokens that the vocabulary
really has decide which of the formats below is taken; each was checked against what the model's
publisher documents (docs/chat-formats.md). A template that none of them fits goes to llama.cpp,
which recognises templates and runs none either.

A wrong format costs no error message but the quality of every answer, so a format is refused when
the vocabulary lacks one of its control tokens or has those of another family.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from assistant.template import SYSTEM_MARK, USER_MARK, UnusableTemplate, Vocabulary, writes_space

LLAMA_CPP = "llama.cpp"  # the name of a format that llama.cpp recognised and we do not know
MAX_TEMPLATE_CHARS = 1 << 18  # the longest that is published has some 20,000

THINK, ANSWER = "<think>", "</think>"
_OPENED = f"{THINK}\n"
_EMPTY = f"{THINK}\n\n{ANSWER}\n\n"  # what Qwen 3's template writes when thinking is off
_EMPTY_IN_TEMPLATE = re.compile(rf"{THINK}(?:\\n|\s)*{ANSWER}")
# "<|assistant|>" and then a line break, spelt out or not, in the same string or the next.
_BREAK_AFTER_ASSISTANT = re.compile(r"<\|assistant\|>(?:['\"]\s*\+\s*['\"])?(?:\\n|\n| )")
_SPELT_CONTROLS = re.compile(r"<\|[^\s<>|]{1,40}\|>|<｜[^\s<>｜]{1,40}｜>|<(?:start|end)_of_turn>")
# Some templates write these as words, which their vocabularies do not list.
_WORDS = frozenset({"<|system|>", "<|user|>", "<|assistant|>"})

Thinking = Literal["never", "itself", "opened"]


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """How a family is prompted: `text` around the two marks of `assistant.template`, up to where
    the answer begins.

    `controls` are spellings that the vocabulary must have as one control token each, `foreign` ones
    that only other families have. `stops` end an answer where no control token does. `thinking`:
    "itself", the model opens its thoughts when it wants to, or "opened", the prompt does.
    """

    name: str
    text: str
    controls: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    thinking: Thinking = "never"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The format that a model is prompted in. `render(system, user)` is the prompt's text up to
    where the model goes on; `template` says the same in words that its digest can be recorded of.

    An answer ends before the first of `stops`. `thinking` are the marks around a model's thoughts,
    None if it knows none: what it writes between them is no part of the answer. `opens_thinking`:
    the prompt ends inside thoughts, the first mark already written. `thinks`: whether it is let to.
    """

    name: str
    template: str
    render: Callable[[str, str], str]
    stops: tuple[str, ...] = ()
    thinking: tuple[str, str] | None = None
    opens_thinking: bool = False
    thinks: bool = False


_S, _U = SYSTEM_MARK, USER_MARK
_CHATML = f"<|im_start|>system\n{_S}<|im_end|>\n<|im_start|>user\n{_U}<|im_end|>\n"
_CHATML += "<|im_start|>assistant"
_CHATML_CONTROLS = ("<|im_start|>", "<|im_end|>")
# Control tokens that only other families have than those that mark turns with words.
_NOT_WORDS = ("[INST]", "<|end|>", "<|start_header_id|>", "<start_of_turn>")


def _llama_3(name: str, preamble: str) -> ChatFormat:
    def turn(role: str) -> str:
        return f"<|start_header_id|>{role}<|end_header_id|>\n\n"

    text = f"<|begin_of_text|>{turn('system')}{preamble}{_S}<|eot_id|>"
    text += f"{turn('user')}{_U}<|eot_id|>{turn('assistant')}"
    controls = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    return ChatFormat(name, text, controls)


_ALL = (
    ChatFormat("chatml", f"{_CHATML}\n", _CHATML_CONTROLS),
    ChatFormat("orca-2", _CHATML, ("<s>", *_CHATML_CONTROLS)),
    ChatFormat("qwen3", f"{_CHATML}\n", (*_CHATML_CONTROLS, THINK, ANSWER), thinking="itself"),
    ChatFormat("chatml-thinking", f"{_CHATML}\n", _CHATML_CONTROLS, thinking="opened"),
    ChatFormat(
        "llama-2",
        f"<s>[INST] <<SYS>>\n{_S}\n<</SYS>>\n\n{_U} [/INST]",
        ("<s>",),
        foreign=_NOT_WORDS,
        stops=("[INST]",),
    ),
    _llama_3("llama-3", ""),
    # The day that the published template falls back to: a prompt must not depend on the clock.
    _llama_3("llama-3.1", "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"),
    ChatFormat(
        "mistral-v1",
        f"<s>[INST] {_S}\n\n{_U} [/INST]",
        ("<s>",),
        foreign=_NOT_WORDS,
        stops=("[INST]",),
    ),
    ChatFormat("mistral-v3", f"<s>[INST] {_S}\n\n{_U}[/INST]", ("<s>", "[INST]", "[/INST]")),
    ChatFormat("mistral-tekken", f"<s>[INST]{_S}\n\n{_U}[/INST]", ("<s>", "[INST]", "[/INST]")),
    ChatFormat(
        "phi-2",
        f"Instruct: {_S}\n\n{_U}\nOutput:",
        ("<|endoftext|>",),
        foreign=(*_NOT_WORDS, "<|im_start|>"),
        stops=("\nInstruct:",),
    ),
    ChatFormat(
        "phi-3",
        f"<|system|>\n{_S}<|end|>\n<|user|>\n{_U}<|end|>\n<|assistant|>\n",
        ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
    ),
    ChatFormat(
        "phi-4-mini",
        f"<|system|>{_S}<|end|><|user|>{_U}<|end|><|assistant|>",
        ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
    ),
    ChatFormat(  # of Zephyr and TinyLlama: the turns' names are words to their vocabularies
        "zephyr",
        f"<|system|>\n{_S}</s>\n<|user|>\n{_U}</s>\n<|assistant|>\n",
        ("</s>",),
        foreign=(*_NOT_WORDS, "<|user|>", "<|im_start|>"),
        stops=("<|user|>",),
    ),
    ChatFormat(
        "gemma",
        f"<bos><start_of_turn>user\n{_S}\n\n{_U}<end_of_turn>\n<start_of_turn>model\n",
        ("<bos>", "<start_of_turn>", "<end_of_turn>"),
    ),
    ChatFormat(
        "deepseek-r1",
        f"<｜begin▁of▁sentence｜>{_S}<｜User｜>{_U}<｜Assistant｜>",
        ("<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"),
        thinking="opened",
    ),
)
FORMATS = {each.name: each for each in _ALL}


def choose(
    architecture: str,
    template: str,
    vocabulary: Vocabulary,
    apply: Callable[[str, str, str], str | None],
    *,
    wanted: str = "",
    thinking: bool = False,
) -> Chosen:
    """The chat format of a model.

    `template` is the file's, "" if it has none; `apply(template, system, user)` llama.cpp's
    rendering of it, None if llama.cpp does not recognise it. `wanted` names a format of FORMATS to
    take instead of what the file suggests. `thinking` lets a model think that can.

    Raises UnusableTemplate if nothing fits; its text says what is missing and what would fit.
    """
    if len(template) > MAX_TEMPLATE_CHARS:
        raise UnusableTemplate(f"its chat template is longer than {MAX_TEMPLATE_CHARS} characters")
    if wanted:
        if wanted not in FORMATS:
            known = ", ".join(FORMATS)
            raise UnusableTemplate(f"there is no chat format {wanted!r}, there are {known}")
        name, said_by = wanted, f"the chat format {wanted}"
    elif template:
        name = _recognised(architecture, template, vocabulary)
        said_by = f"its chat template, {name},"
    else:
        name, said_by = _implied(architecture, vocabulary), "its architecture"
    if name:
        _require(FORMATS[name], vocabulary, said_by)
        return _chosen(FORMATS[name], template, vocabulary, thinking)
    return _by_llama_cpp(template, vocabulary, apply)


def allowed(vocabulary: Vocabulary) -> tuple[str, ...]:
    """The formats that the vocabulary has the tokens of."""
    return tuple(each.name for each in _ALL if not _against(each, vocabulary))


def _recognised(architecture: str, template: str, vocabulary: Vocabulary) -> str:
    """The format that a template describes, "" if it is none of ours."""

    def says(*marks: str) -> bool:
        return all(mark in template for mark in marks)

    name = ""
    if says("<|im_start|>"):
        # Phi-4 and SmolVLM mark turns with it as well, in other ways.
        if not says("<|im_sep|>") and not says("<end_of_utterance>"):
            name = _chatml_kind(template)
    elif says("[INST]"):
        if says("<<SYS>>"):
            name = "llama-2"
        elif not says("[SYSTEM_PROMPT]"):
            name = _mistral_kind(vocabulary)
    elif says("<|start_header_id|>", "<|end_header_id|>"):
        name = "llama-3.1" if says("Cutting Knowledge Date") else "llama-3"
    elif says("<|assistant|>", "<|end|>"):
        name = "phi-3" if _BREAK_AFTER_ASSISTANT.search(template) else "phi-4-mini"
    elif says("<|user|>", "<|assistant|>", "eos_token") and not _has(vocabulary, "<|user|>"):
        name = "zephyr"
    elif says("<start_of_turn>"):
        name = "gemma"
    elif says("<｜User｜>", "<｜Assistant｜>", ANSWER):
        # DeepSeek's own large models say the same and open thoughts in other ways.
        name = "deepseek-r1" if architecture in ("llama", "qwen2", "qwen3") else ""
    return name


def _chatml_kind(template: str) -> str:
    """Which of the ChatML formats: it depends on what the template writes when it asks for an
    answer, after the last condition on `add_generation_prompt`."""
    end = template[template.rfind("add_generation_prompt") + 1 :]
    empty_if_off = _EMPTY_IN_TEMPLATE.search(end) is not None
    if THINK in _EMPTY_IN_TEMPLATE.sub("", end):
        return "chatml-thinking"
    return "qwen3" if empty_if_off else "chatml"


def _mistral_kind(vocabulary: Vocabulary) -> str:
    if not _has(vocabulary, "[INST]"):
        return "mistral-v1"
    return "mistral-v3" if writes_space(vocabulary) else "mistral-tekken"


def _implied(architecture: str, vocabulary: Vocabulary) -> str:
    """The format of a model without a template, "" where its vocabulary leaves that open."""

    def has(*spellings: str) -> bool:
        return all(_has(vocabulary, spelling) for spelling in spellings)

    name = ""
    if has(*_CHATML_CONTROLS):
        if has("<s>", "[PAD]"):
            name = "orca-2"
        else:
            name = "qwen3" if architecture.startswith("qwen3") and has(THINK, ANSWER) else "chatml"
    elif has("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"):
        name = "llama-3"
    elif has("<|user|>", "<|assistant|>", "<|end|>") and architecture == "phi3":
        name = "phi-3" if has("<s>") else "phi-4-mini"
    elif has("<start_of_turn>", "<end_of_turn>"):
        name = "gemma"
    elif has("[INST]", "[/INST]"):
        name = _mistral_kind(vocabulary)
    elif architecture == "phi2":
        name = "phi-2"
    return name


def _require(wanted: ChatFormat, vocabulary: Vocabulary, said_by: str) -> None:
    """Raises UnusableTemplate if the format is not this vocabulary's."""
    against = _against(wanted, vocabulary)
    if against:
        raise UnusableTemplate(f"{said_by} {against}; {_hint(vocabulary)}")


def _against(each: ChatFormat, vocabulary: Vocabulary) -> str:
    """What speaks against a format, "" for nothing."""
    missing = [spelling for spelling in each.controls if not _is_control(vocabulary, spelling)]
    if missing:
        return f"needs control tokens that its vocabulary does not have: {' '.join(missing)}"
    foreign = [spelling for spelling in each.foreign if _has(vocabulary, spelling)]
    if foreign:
        return f"is another family's than its vocabulary, which has {' '.join(foreign)}"
    if each.name == "mistral-tekken" and writes_space(vocabulary):
        return "is for vocabularies that write no space of their own, its own does"
    if each.name == "mistral-v3" and not writes_space(vocabulary):
        return "is for vocabularies that write a space of their own, its own does not"
    return ""


def _hint(vocabulary: Vocabulary) -> str:
    fitting = allowed(vocabulary)
    if not fitting:
        return "no chat format that is known fits its vocabulary"
    return f"its vocabulary allows {', '.join(fitting)}: name one with --chat-format"


def _has(vocabulary: Vocabulary, spelling: str) -> bool:
    """Whether the vocabulary has this as one token."""
    tokens = vocabulary.tokenize(spelling, control=True)
    # A SentencePiece vocabulary puts a space before what is a word to it: another spelling.
    return len(tokens) == 1 and vocabulary.spelling(tokens[0]) == spelling


def _is_control(vocabulary: Vocabulary, spelling: str) -> bool:
    """Whether it is one token, and one that a text which spells it out does not get."""
    tokens = vocabulary.tokenize(spelling, control=True)
    return _has(vocabulary, spelling) and vocabulary.is_control(tokens[0])


def _chosen(taken: ChatFormat, template: str, vocabulary: Vocabulary, thinking: bool) -> Chosen:
    thinks = thinking and taken.thinking != "never"
    opens = thinks and taken.thinking == "opened"
    text = taken.text
    if opens:
        text += _OPENED
    elif taken.thinking != "never" and not thinks:
        text += _EMPTY
    # A model that has the marks may use them unasked.
    marked = taken.thinking != "never" or ANSWER in template or _has(vocabulary, ANSWER)
    said = {
        "chat format": taken.name,
        "text": text.replace(SYSTEM_MARK, "{system}").replace(USER_MARK, "{user}"),
        "stops": taken.stops,
        "thinking": thinks,
    }
    return Chosen(
        name=taken.name,
        template=json.dumps(said, ensure_ascii=False, sort_keys=True),
        render=_rendering(text),
        stops=taken.stops,
        thinking=(THINK, ANSWER) if marked else None,
        opens_thinking=opens,
        thinks=thinks,
    )


def _rendering(text: str) -> Callable[[str, str], str]:
    head, rest = text.split(SYSTEM_MARK)
    between, tail = rest.split(USER_MARK)
    return lambda system, user: f"{head}{system}{between}{user}{tail}"


def _by_llama_cpp(
    template: str, vocabulary: Vocabulary, apply: Callable[[str, str, str], str | None]
) -> Chosen:
    """What llama.cpp makes of a template that we do not know; else ChatML, if the vocabulary is
    made for it."""
    rendered = apply(template, "", "") if template else None
    if rendered is None:
        if not _against(FORMATS["chatml"], vocabulary):
            return _chosen(FORMATS["chatml"], template, vocabulary, False)
        if template:
            raise UnusableTemplate(f"its chat template is not known; {_hint(vocabulary)}")
        raise UnusableTemplate(f"it has no chat template; {_hint(vocabulary)}")
    spelt = dict.fromkeys(_SPELT_CONTROLS.findall(rendered))
    missing = [each for each in spelt if each not in _WORDS and not _is_control(vocabulary, each)]
    if missing:
        raise UnusableTemplate(
            "its chat template needs control tokens that its vocabulary does not have: "
            f"{' '.join(missing)}; {_hint(vocabulary)}"
        )
    return Chosen(
        name=LLAMA_CPP,
        template=template,
        render=lambda system, user: apply(template, system, user) or "",
        thinking=(THINK, ANSWER) if ANSWER in template or _has(vocabulary, ANSWER) else None,
    )
