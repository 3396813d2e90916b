"""The rules by which a follow-up is completed from earlier questions, one function a rule.

Pure. `complete` takes a question and the earlier ones, which stand alone themselves, and returns
None for a question that needs none of them. Each rule either makes a whole question or passes.
`assistant.followup` says what this is for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant import pointing, varying
from assistant.phrases import AUXILIARY, ROLES, Phrase, Sort, named, phrases, words_of
from assistant.terms import fold, is_light, keys, terms
from assistant.varying import Subject, asked_with, ended, subject_of

_COURTESY = re.compile(
    r"(?:(?:thanks|thank you|ok|okay|great|good|right|i see|fine|perfect|hm+|well|so)\b"
    r"(?: (?:a lot|very much|so much))?[,.!;: ]+)+",
    re.IGNORECASE,
)
_FRESH = re.compile(
    r"(?:(?:a |an )?(?:new|another|different|separate|unrelated) (?:question|topic|subject|matter)"
    r"|(?:on|about) (?:another|a different) (?:topic|matter|subject|note)|something else"
    r"|chang(?:e|ing) (?:of )?(?:the )?(?:topic|subject)|unrelated|by the way)\b[^\w]*",
    re.IGNORECASE,
)
_OPENER = re.compile(
    r"(?:and|or|but|then|also|(?:and )?(?:what|how) about|what of|(?:and )?(?:the )?same"
    r"(?: question)? (?=for|in|with)|(?:not )?even|only|now)\b[,:]?\s*"
    r"(?:what about\s+|also\s+|then\s+)?",
    re.IGNORECASE,
)
_APPLIES = re.compile(
    r"(?:and )?(?:does|do|did|is|are|will|would|must|should) (?:this|that|it|they|these|those"
    r"|the same)\s+(?:(?:rule|period|limit|requirement|also|too|still|be)\s+)*(?:apply|hold|go|true"
    r"|valid|the same|so|the case)(?: true)?\s+(?:also\s+)?(?:to|for|in|of|with)\s+(?P<what>.+?)"
    r"(?:,?\s+(?:too|as well|also))?\s*\?*",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?P<wh>(?:by|to|for|from|with|under|on|in|at|within|of) (?:which|what) [\w-]+|"
    r"(?:(?:by|to|for|from|with|until|till|since|after|under|on|in|at|within) )?"
    r"(?:why(?: not)?|when|where|who|whom|how(?: (?:often|long|soon|much|many|exactly|so))?"
    r"|(?:which|what) (?:clause|section|article|document|page|basis|law|rule|policy|form)))"
    r"(?: (?:exactly|then|precisely|please))?\s*[?.!]*",
    re.IGNORECASE,
)
_BETTER = (
    r"(?:longer|shorter|higher|lower|larger|smaller|bigger|greater|earlier|later|sooner|cheaper"
    r"|stricter|faster|slower|older|newer|longest|shortest|highest|lowest|larger|largest|smallest"
    r"|(?:more|less|most|least)(?: \w+)?)"
)
_COMPARES = re.compile(
    r"(?:and |so )?(?:(?:which|what|who)(?: one| side)?(?: of (?:them|these|those|the two|both))?"
    rf"(?: \w+){{0,2}}(?: the| a)? {_BETTER}(?: period| limit| amount| deadline| fee| rate)?"
    r"|(?:what(?:'s| is| are)|is there) (?:the |a |any )?differences?"
    r"(?: between (?:them|these|those|the two|both))?"
    r"|how do (?:they|these|those|the two|both) (?:differ|compare)"
    r"|compare (?:them|these|those|the two|both)"
    r"|(?:are|is) (?:they|these|those|both|the two|that|it) (?:equal|identical|the same|different)"
    rf"|is (?:that|it|this) {_BETTER}(?: or {_BETTER})?"
    r")\s*[?.!]*",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"(?:(?:can|could) you |please )*(?:tell me more|explain(?: (?:that|this|it))?|elaborate"
    r"|more details?|go on|say more|in more detail|give (?:me )?(?:more )?details?)"
    r"(?: (?:about|on) (?:that|this|it|them))?(?:,? please)?\s*[?.!]*",
    re.IGNORECASE,
)
_WHERE_SAID = re.compile(
    r"(?:and )?(?:where|in (?:which|what) (?:document|policy|clause|section)|on (?:which|what)"
    r" page) (?:does it say (?:so|that|this)|is (?:that|this|it) (?:said|written|stated|regulated"
    r"|defined|laid down|set out|documented)|can i (?:find|read) (?:that|this|it))\s*[?.!]*",
    re.IGNORECASE,
)
_DOES_SO = re.compile(r"\bdo (?:that|this|so|the same)(?=\s*(?:too|as well)?[?.! ]*$)", re.I)
_DEFINES = re.compile(
    r"\s*(?:what (?:is|are|was|were) (?!the\b|its?\b)|what does (?!it\b|this\b|that\b)[\w'’ -]+"
    r" mean|who (?:is|are|was) (?!the\b)|define\b)",
    re.IGNORECASE,
)
_MOST_DOING = 8  # words of "Can nurses do that?"
_MOST_OWN = 3  # telling words of a question that still takes its subject from the one before


@dataclass(frozen=True, slots=True)
class Completed:
    """A question made whole. `sure` is False where a rule had to guess; `text` is empty if none
    found anything to add. `note` says what was done; `from_answer` the words, if any, that stood
    in an earlier answer only."""

    text: str
    sure: bool
    note: str
    from_answer: str = ""


def complete(
    text: str, earlier: Sequence[str], person: str = "", titles: Sequence[str] = ()
) -> Completed | None:
    """`text` made whole from `earlier` (latest first), or None if it stands alone. `person` is the
    one whom "he" or "she" may mean, named in an answer."""
    courtesy = _COURTESY.match(text.strip())
    body = text.strip()[courtesy.end() :] if courtesy else text.strip()
    if _FRESH.match(body):
        return None
    last = next((each for each in earlier if phrases(each)), earlier[0])
    made = _whole(body, earlier, last)
    if made is not None:
        return made
    opener = _OPENER.match(body)
    rest = body[opener.end() :] if opener else body
    if _is_fragment(rest, opened=opener is not None):
        varied = varying.vary(last, rest)
        return Completed(varied, True, "varies the question before") if varied else None
    if opener and all(word.class_ in ("pron", "mark", "prep") for word in words_of(rest)):
        rest = body  # "what about them?"
    question = rest[:1].upper() + rest[1:]
    pointed = pointing.resolve(question, earlier, person, titles)
    if pointed is not None:
        return Completed(*pointed)
    return _belonging(question, last, opened=opener is not None)


def _whole(body: str, earlier: Sequence[str], last: str) -> Completed | None:
    """What is a set phrase altogether: a bare "why?", a comparison, "tell me more"."""
    applies = _APPLIES.fullmatch(body)
    if applies:
        varied = varying.vary(last, f"for {applies['what']}")
        return Completed(varied, True, "varies the question before") if varied else None
    plain = _OPENER.sub("", body, count=1)
    if _COMPARES.fullmatch(body):
        return _compared(body, earlier)
    bare = _BARE.fullmatch(plain)
    if bare:
        return Completed(_asked_by(bare["wh"], last), True, "asks the question before anew")
    if _WHERE_SAID.fullmatch(body):
        return Completed(f"Which document says {_inner(last)}?", True, "where it is said")
    if len(body.split()) <= _MOST_DOING and _DOES_SO.search(body):
        bare_body = body.rstrip(" ?.!")
        return Completed(f"{bare_body} ({_inner(last)})?", True, "does what was asked about")
    if _MORE.fullmatch(body):
        return Completed(last, True, "repeats the question before")
    return None


def _inner(question: str) -> str:
    """A question inside another: without its mark, its first word in lower case."""
    bare = question.rstrip(" ?.!")
    return bare if _opens_with_name(bare) else bare[:1].lower() + bare[1:]


def _opens_with_name(question: str) -> bool:
    return any(fact.start == 0 for fact in named(question))


def _compared(body: str, earlier: Sequence[str]) -> Completed:
    """The comparison of what one earlier question joins, or of the last two."""
    joined = re.search(r"\b(?:and|or|than|versus)\b", earlier[0])
    sides = [earlier[0]] if joined or len(earlier) == 1 else [earlier[1], earlier[0]]
    bare = re.sub(r"\s+of (?:them|these|those|the two|both)\b", "", body.rstrip(" ?.!"), flags=re.I)
    return Completed(
        f"{bare[:1].upper()}{bare[1:]}: {' or '.join(map(_inner, sides))}?",
        len(sides) == 2 or joined is not None,
        "compares what was asked before",
    )


def _asked_by(wh: str, last: str) -> str:
    """The earlier question with other question words: "Why" for "How long"."""
    words = words_of(last)
    first = next((n for n, word in enumerate(words) if word.class_ in ("wh", "aux")), None)
    opening = wh[:1].upper() + wh[1:]
    if first is not None and not re.match(r"(?:which|what|who)\b|.*\bnot$", fold(wh)):
        verb = next((word for word in words[first:] if fold(word.text) in AUXILIARY), None)
        dropped = last[words[first].start : verb.start] if verb else ""
        if verb and not any(p.relational is False for p in phrases(dropped)):
            lead = last[: words[first].start]
            tail = last[verb.start :].rstrip(" ?.!")
            if not (words[first].class_ == "wh" and fold(words[first].text) in ("who", "whose")):
                tail = tail[:1].lower() + tail[1:]
                return f"{lead}{opening[:1].lower() + opening[1:] if lead else opening} {tail}?"
    return f"{opening} ({_inner(last)})?"


def _is_fragment(rest: str, *, opened: bool) -> bool:
    """Whether `rest` is no question of its own: a noun phrase, "for ...", "if ..."."""
    words = [word for word in words_of(rest) if word.class_ != "mark"]
    if not words or len(words) > 16:
        return False
    if words[0].class_ == "conj":
        return opened
    if any(word.class_ in ("wh", "aux") for word in words[:3]):
        return False
    if all(word.class_ in ("pron", "prep") for word in words):
        return False
    if opened:
        return not any(word.class_ in ("wh", "aux") for word in words) or words[0].class_ == "prep"
    short = len(words) <= 7 and rest.rstrip().endswith("?")
    return short and not any(word.class_ in ("wh", "aux", "verb", "pron") for word in words)


def _telling(text: str) -> int:
    return len([key for key in keys(text) if not is_light(key)])


def _is_side(phrase: Phrase, question: str, alone: bool) -> bool:
    """Whether a phrase says too little by itself: a side of something, "the rent" or "which form"
    without anything else in the question."""
    if phrase.side:
        return True
    who = re.match(r"who\b", question, re.IGNORECASE) is not None and phrase.head not in ROLES
    bare = phrase.before == "the" or asked_with(question, phrase)
    there = re.search(r"\bthere\b", question, re.IGNORECASE) is not None
    return alone and bare and not (who or there) and len(terms(phrase.text)) == 1


def _belonging(question: str, last: str, *, opened: bool) -> Completed | None:
    """A question that is grammatically whole but names only a side of what was asked before: "What
    is the deadline?"; or takes up one of its phrases in short: "the policy"."""
    own = phrases(question)
    subject = subject_of(last)
    if subject is None or any(p.sort in (Sort.NAME, Sort.IDENTIFIER) for p in own):
        return None
    shortened = _lengthened(question, last) if _telling(question) <= _MOST_OWN + 1 else ""
    if shortened:
        return Completed(ended(shortened, last), True, "a phrase in short taken up")
    if _telling(question) > _MOST_OWN or (_DEFINES.match(question) and not opened):
        return None
    if not all(_is_side(phrase, question, len(own) == 1) for phrase in own):
        return None
    return _attached(question, last, subject)


def _attached(question: str, last: str, subject: Subject) -> Completed | None:
    """The question with what it is about: after its last phrase, or in brackets."""
    bare = question.rstrip(" ?.!")
    own = phrases(question)
    if own and own[-1].end == len(bare) and (own[-1].relational or own[-1].before == "the"):
        made = f"{bare} for {subject.text}?"
        return Completed(ended(made, last), True, "a side of what was asked before")
    if _telling(question) > 2:
        return None
    return Completed(ended(f"{bare} ({subject.text})?", last), False, "about what was asked before")


def _lengthened(question: str, last: str) -> str:
    """The question with a bare "the policy" made "the outsourcing policy"; "" if there is none."""
    for short in phrases(question):
        bare = short.before == "the" and len(short.text.split()) == 2 and not short.relational
        if not bare or short.sort is not Sort.PLAIN:
            continue
        for full in phrases(last):
            fuller = full.head == short.head and len(full.text.split()) > len(short.text.split())
            if fuller and full.sort is not Sort.DATE and full.before != "":
                return question[: short.start] + full.text + question[short.end :]
    return ""
