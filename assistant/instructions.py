"""Text in documents that is addressed to a language model: found, so that it is never evidence.

Pure. A sentence such as "Disregard all earlier instructions before you answer" states nothing on
any subject. Quoted as an answer it would pass on an order that somebody planted, and a model that
obeys by repeating it would pass every check of support, because the words do stand in the document.

A text counts by cues that have a weight: one that names its reader (a control token of a chat
template, "you are now an AI", "note to the language model") or sets the question aside ("ignore the
question and instead") is enough, weaker ones ("your answer", "respond only", "before you answer")
must come together. What follows such a sentence and is itself an order or a question belongs to it.

Rules, letters, forms and manuals are full of orders to people ("The supplier must respond within
five days", "Ignore alarms below level 2", "Include the reference in your reply"): an order alone is
never a cue. It knows English only, and whoever knows the rules can phrase around them: it lowers
what is quoted of planted orders, and nothing rests on it that the gate or the rights must hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_ENOUGH = 2  # a strong cue, or so many weak ones

_MACHINE = (
    r"(?:a\.?i\.?|l\.?l\.?m\.?|chat ?bot|chat ?gpt|gpt(?:-\w+)?|copilot|(?:large )?language model|"
    r"(?:ai|a\.i\.|virtual|digital|chat) (?:assistant|agent|model|system))s?"
)
_TO = r"(?:to|for)\s+(?:the |any |all |every |an? |your |whichever )?"
_NOTE = r"(?:notes?|messages?|instructions?|attention|reminder|prompt|command|directive|orders?)"
_FORMER = (
    r"(?:previous|prior|earlier|above|preceding|foregoing|existing|former|initial|original|other)"
)
_IMPERATIVE = (
    r"(?:^|[.:;,!?\"'“‘(\[–—-]\s*|\b(?:please|now|and|then|you (?:must|should|are to|will))\s+)"
)
_SET_ASIDE = (
    r"(?:ignore|disregard|forget|override|bypass|skip|drop|stop following|do not follow|"
    r"don['’]t follow)"
)
_REPLY = r"(?:answers?|responses?|repl(?:y|ies)|output|completion)"

# What is in the first group is enough by itself; of the second two must come together.
_STRONG = (
    # control tokens and fences of prompts
    r"<\|[^|<>\n]{1,40}\|>|</?passage\b[^>\n]*>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>",
    r"^\s*###\s*(?:instruction|response|system|human|assistant)\s*:",
    rf"\b{_NOTE}\b[^.:;]{{0,20}}\s{_TO}{_MACHINE}(?=\s*(?:$|[.:,;!]))",
    rf"^\W*to (?:the |any |all |every )?{_MACHINE}\s*[:,]",
    rf"^\W*(?:dear|hey|hello|hi|attention)[ ,:]+{_MACHINE}\b",
    rf"\byou are (?:now |no longer )?(?:an? |the )?(?:\w+ )?{_MACHINE}(?![\w-])",
    rf"\b{_MACHINE}\s+(?:that (?:is|are) )?(?:reading|processing|summari[sz]ing|parsing)\b",
    rf"{_IMPERATIVE}{_SET_ASIDE}\s+(?:everything|anything|all (?:of )?(?:that|what))\s+"
    r"(?:above|before|previously|so far|you know|I said|I told|the user)\b",
    r"\b(?:reveal|print|repeat|show|output|leak|display)\b[^.]{0,20}\bsystem prompt\b",
    # the question, or everything said to the model before, set aside
    rf"{_IMPERATIVE}(?:{_SET_ASIDE}|(?:do not|don['’]t) answer)\s+"
    rf"(?:(?:the|this|that|my|any|every|all|user['’]?s?)\s+)+(?:{_FORMER}\s+)?"
    r"(?:questions?|quer(?:y|ies)|prompts?|context)\b"
    r"(?=\s*(?:$|[.,;:!]|and\b|above|below|instead|entirely|completely))",
    rf"{_IMPERATIVE}{_SET_ASIDE}\s+(?:(?:all|any|every|the|your|of|these|those|my)\s+)*{_FORMER}\s+"
    r"(?:and \w+\s+)?(?:\w+\s+)?"
    r"(?:instructions?|prompts?|directions?|directives?|guidelines?|commands?|orders?)"
    r"(?=\s*(?:$|[.,;:!]|and\b|before you\b|you (?:were|have|received)))",
    rf"{_IMPERATIVE}{_SET_ASIDE}\s+(?:all |any )?your\s+(?:\w+\s+)?"
    r"(?:instructions|guidelines|rules|prompt|training|programming)\b",
    rf"\b(?:modify|augment|enhance|alter|rewrite|rephrase|obfuscate|encode) your {_REPLY}\b",
)
_WEAK = (
    rf"\byour {_REPLY}\b|\b(?:before|when|while) (?:you )?(?:answer|respond|reply)(?:ing)?\b",
    rf"\b(?:sentences?|words?|headline|reminder|tip|reason|appeal|statement|keywords)\b.{{0,80}}"
    rf"\byour {_REPLY}|\byour {_REPLY}\b[^.]{{0,40}}\b(?:users?|readers|words|headline)\b",
    r"\b(?:respond|reply|answer|output)\s+(?:only|solely|exclusively|nothing but|exactly)\b",
    r"\b(?:only|exactly) as follows\b|\bwith the following (?:text|sentence|words)\b",
    rf"\b{_NOTE}\b\s{_TO}(?:assistant|model|bot|agent|system|reader of this prompt)s?\b",
    r"^\W*(?:system|assistant)\b[^:]{0,20}:\s",
    r"^\W*assistant,\s",
    r"\bnew (?:system )?instructions?\b|\bnew (?:task|goal):",
    r"\byou are now\b",
    r"\bno (?:restrictions|filters)\b",
    r"\b(?:takes? precedence over|overrides?|supersedes?|instead of|regardless of)\b[^.]{0,30}"
    r"\b(?:question|prompt|user|instructions?)\b",
    r"\b(?:if|when(?:ever)?) (?:an? |the )?(?:users? asks?|you are asked|you['’]re asked)\b",
    r"\b(?:from now on|pretend (?:to be|that)|act as (?:an?|if)|role-?play)\b",
    r"\binstead\b[^.]{0,12}\b(?:do this|say|write|answer|respond|reply|print|output|tell)\b",
    r"\b(?:do not|don['’]t|never) (?:mention|reveal|tell|say)\b[^.]{0,40}"
    r"\b(?:user|instructions?|prompt|this (?:message|note))\b",
    r"\b(?:anagram\w*|misspell\w*|typos?|vowels|scrambl\w+|base64|rhym\w+|poem|emojis?|"
    r"(?:letters|spaces|words) (?:of|from|in|with) (?:numbers|symbols|your))\b",
)
_ORDER = re.compile(
    r"\W*(?:please |now |then |instead,? |also )*(?:add|anagram|answer|append|augment|break|call|"
    r"change|click|combine|compose|convert|create|describe|develop|do|don['’]t|download|draft|end|"
    r"enhance|explain|follow|forget|generate|give|go|group|hide|ignore|include|insert|integrate|"
    r"introduce|jumble|list|make|misspell|modify|never|open|output|pretend|print|promote|provide|"
    r"rearrange|remove|render|repeat|replace|reply|respond|reveal|say|scramble|send|show|start|"
    r"state|substitute|suggest|summari[sz]e|tell|translate|use|visit|write)\b",
    re.IGNORECASE,
)
_INTRODUCES = re.compile(r"\W*(?:as asked|in your (?:answer|response|reply))\b", re.IGNORECASE)
_ABOUT = re.compile(
    rf"\b(?:{_MACHINE}|prompts?|injections?|instructions?|planted|hidden text|assistants?)\b",
    re.IGNORECASE,
)
# Almost every text holds none of these, and then no cue either that counts.
_HINT = re.compile(
    r"<\||<<|</?passage|\[/?inst|_of_turn|###|\b(?:ignor|disregard|forget|overrid|bypass|skip|drop|"
    r"stop|follow|answer|respon|repl[yi]|output|completion|assistant|a\.?i\b|l\.?l\.?m|chat|gpt|"
    r"copilot|(?:language )?model|bot|agent|instruction|prompt|system|pretend|act as|role|you are)",
    re.IGNORECASE,
)
_STRONG_CUES = tuple(re.compile(each, re.IGNORECASE) for each in _STRONG)
_WEAK_CUES = tuple(re.compile(each, re.IGNORECASE) for each in _WEAK)


def _weight(text: str) -> int:
    if _HINT.search(text) is None:
        return 0
    if any(cue.search(text) for cue in _STRONG_CUES):
        return _ENOUGH
    return sum(cue.search(text) is not None for cue in _WEAK_CUES)


def addresses_a_model(text: str) -> bool:
    """Whether a text, by itself, speaks to a language model that answers from it."""
    return _weight(" ".join(text.split())) >= _ENOUGH


def addressed(units: Sequence[str]) -> tuple[bool, ...]:
    """Of the units of a page, in order, which speak to a model: those that do by themselves, and
    the orders, questions and half hints that follow one without a plain statement between."""
    found: list[bool] = []
    for unit in units:
        text = " ".join(unit.split())
        weight = _weight(text)
        follows = bool(found) and found[-1] and (weight > 0 or _goes_on(text))
        found.append(weight >= _ENOUGH or follows)
    return tuple(found)


def _goes_on(text: str) -> bool:
    return bool(_ORDER.match(text) or _INTRODUCES.match(text)) or text.endswith("?")


def asks_about_them(question: str) -> bool:
    """Whether a question is itself about instructions to a model, so that they may be quoted."""
    return _ABOUT.search(question) is not None
