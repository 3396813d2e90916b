"""Whether a question counts or lists documents, and what it then asks of each of them.

"How many contracts have a change-of-control clause?" cannot be answered from the nearest passages:
those that did not make it into the first twenty are missing from the count, and nobody sees that.
"How many days' notice does the contract ask for?" counts inside a document and is an ordinary
question. The rules tell the two apart by grammar: a plural that stands for documents must be the
subject of a verb that documents take (contain, require, expire), or what is looked through ("in
which policies is ..."). "How many reports must the supplier file?" has it as an object.

Pure, by rules, in English. Where they are unsure they say no: then the question is answered as any
other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from assistant.answer import Offer
from assistant.expects import expected

Kind = Literal["yes_no", "value", "find"]


@dataclass(frozen=True, slots=True)
class Counting:
    """What is asked of each document.

    `question` is whole ("Does this document have a change-of-control clause?"), `about` what to
    look for ("a change-of-control clause"). `kind`: "yes_no" whether it is there, "value" which
    fact is stated, "find" what is said on it. `absent`: those that lack it were asked for.
    """

    question: str
    kind: Kind
    about: str
    absent: bool = False


_PLURAL = (
    r"(?:contracts|agreements|polic(?:ies)|documents|files|reports|procedures|sops|filings|letters"
    r"|e-?mails|memos|memoranda|manuals|protocols|leases|invoices|statements|minutes|guidelines"
    r"|handbooks|prospectuses|circulars|submissions|certificates|licen[cs]es|deeds|wills|papers"
    r"|articles|opinions|judgments|contracts?|notices|forms|records|versions|amendments|appendices"
    r"|annexes|addenda|ndas|msas|slas|dpas|specifications|brochures|transcripts|10-[qk]s)"
)
_SINGULAR = (
    r"(?:contract|agreement|policy|document|file|report|procedure|sop|filing|letter|e-?mail|memo"
    r"|manual|protocol|lease|invoice|statement|guideline|handbook|prospectus|circular|submission"
    r"|certificate|licen[cs]e|deed|paper|opinion|judgment|notice|form|record|version|amendment"
    r"|annex|nda|msa|sla|dpa|10-[qk])"
)
_PARTIES = (
    r"(?:suppliers|vendors|contractors|providers|counterparties|customers|clients|tenants|landlords"
    r"|licensees|licensors|borrowers|lenders|insurers|processors)"
)
_OURS = r"(?:the|our|these|those|my|your|all(?: (?:the|our|these|those|my|your))?)"
_WORDS = (  # "signed supply " before "contracts"
    r"(?:(?!(?:is|are|was|were|do|does|did|has|have|had|will|can|may|must|should|shall|would|an?|to"
    r"|many)\b)[\w'’.&/-]+ ){0,3}?"
)
_BESIDE = (  # "with suppliers in Spain" after it
    r"(?: (?:with|from|in|of|by|between|for|under|to|since|before|after|dated|signed|on|at)"
    r"(?: [\w'’.&/-]+){1,6}?)?"
)
_MANY = rf"(?:(?:of {_OURS} {_WORDS}(?:{_PLURAL}|{_PARTIES}))|(?:{_WORDS}{_PLURAL}))"

# Verbs that documents are the subject of, in the form that goes with a plural or a singular.
_VERBS = """contain mention include require allow permit prohibit forbid provide state say specify
    name cover define expire terminate limit set give govern lack impose oblige address discuss
    describe list cite exceed grant exclude restrict refer renew relate deal speak stipulate
    reference quote identify disclose call offer cap regulate waive assign entitle bind omit
    explain warrant indemnify report recommend prescribe demand note claim confirm"""
_LIGHT = """have contain mention include state say specify provide refer address discuss describe
    list cite relate deal speak give set name reference note cover"""
_LIGHT_VERBS = frozenset(_LIGHT.split())  # what they govern is what to look for, not they
_SAYS = _VERBS.split()
_BASE = {f"{verb}{end}": verb for verb in _SAYS for end in ("", "s", "es")} | {
    "specifies": "specify", "identifies": "identify", "indemnifies": "indemnify",
    "has": "have", "have": "have",
}  # fmt: skip
_VERB = rf"(?:{'|'.join(sorted(_BASE, key=len, reverse=True))})"
_NOT = r"(?:do not|don['’]t|does not|doesn['’]t|did not|didn['’]t)"
# "are governed by", "is silent on"; not "are needed", which asks which papers to bring
_BE = r"(?:is|are|was|were)"
_STATES = (
    r"(?:governed|subject|signed|silent|dated|missing|limited|based|bound|made|written|marked"
    r"|affected|covered|about|valid|effective|renewed|capped|without|not)"
)
_PERSON = r"(?:we|you|i|they|he|she|it|to be|been)\b"  # "contracts have we signed"

_SUBJECT = (
    rf"(?P<docs>{_MANY}){_BESIDE} "
    rf"(?P<rest>(?:{_NOT} )?{_VERB}(?! {_PERSON}) .+|{_BE} {_STATES}\b.+)"
)
_WHOSE = (
    r"(?P<rest>(?:(?:that|which|who) (?:(?:do not|don['’]t|does not|doesn['’]t) )?"
    rf"{_VERB} .+|(?:that|which) {_BE} .+|with(?:out)? .+|(?:mention|contain|includ|requir|allow"
    r"|permit|prohibit|hav|giv|stat|refer|cover|limit|lack|exclud)ing .+)|where .+|in which .+)"
)


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\s*(?:(?:please|and|so|ok|can you|could you|tell me),? )*{pattern}", re.I)


_COUNTS = _rule(rf"(?:how many|which|what) {_SUBJECT}")
_AMONG = _rule(rf"(?:do|does|did) (?:any|all|some|most|both|each|every|none)(?: of)? {_SUBJECT}")
_EACH_DOES = _rule(
    rf"(?:do|does) (?:each|every|any)(?: one)?(?: of {_OURS})? {_WORDS}(?:{_SINGULAR}|{_PLURAL})"
    rf"{_BESIDE} (?P<rest>{_VERB}(?! {_PERSON}) .+)"
)
_ARE_ANY = _rule(
    rf"(?:is|are|was|were) (?:any|all|some|most)(?: of)? {_MANY}{_BESIDE} (?P<rest>{_STATES}\b.+)"
)
_THERE = _rule(
    rf"(?:is|are) there (?:any |an? |some )?{_WORDS}(?:{_SINGULAR}|{_PLURAL})s? {_WHOSE}"
)
_LISTS = _rule(
    r"(?:(?:list|name|show|find|give|enumerate|identify|count|tell)(?: me)?(?: us)?"
    r"|i (?:need|want)(?: a list of)?|what are|which are|give me a list of|make a list of)"
    rf" (?:(?:all|any|the|a list of)?(?: of)? ?{_MANY}|(?:every|each) {_WORDS}{_SINGULAR}) {_WHOSE}"
)
_LOOKED_THROUGH = _rule(
    rf"(?:in|under|by|from) (?:how many|which|what) {_MANY}{_BESIDE} "
    rf"(?P<rest>(?P<be>is|are|was|were|do|does|did|can|may|must|has|have) .+)"
)
_ALL_OF = (
    rf"(?:in|of|for|under|from|across|throughout) (?:(?:each|every|any)(?: one)? of {_OURS} "
    rf"{_WORDS}(?:{_PLURAL}|{_PARTIES})|all(?: of)? {_OURS} {_WORDS}(?:{_PLURAL}|{_PARTIES}))"
)
_EVERYWHERE = _rule(
    rf"(?P<rest>(?:what|which|when|who|how|list|name|show|find|give)\b.+?) {_ALL_OF}"
)
_AT_THE_END = _rule(
    r"(?P<rest>(?:what|which) (?:is|are) the [\w'’ -]{3,60}?) (?:in|of|under) "
    rf"(?:each|every) {_WORDS}{_SINGULAR}\s*[?.]*\s*$"
)
_EACH_HAS = _rule(
    r"(?P<rest>(?:what|which|how)\b[\w'’ -]{2,60}?) (?:do|does) "
    rf"(?:(?:each|every) (?:of {_OURS} )?{_WORDS}(?:{_SINGULAR}|{_PLURAL})"
    rf"|all(?: of)?(?: {_OURS})? {_WORDS}{_PLURAL}) "
    rf"(?P<verb>{_VERB})(?P<more> .*)?"
)


def recognised(text: str) -> Counting | None:
    """What `text` asks of each document, if it counts or lists documents; else None."""
    text = " ".join(text.split())[:2_000]
    for pattern in (_COUNTS, _AMONG, _EACH_DOES, _ARE_ANY, _THERE, _LISTS):
        if found := pattern.match(text):
            return _of_subject(found["rest"])
    if found := _LOOKED_THROUGH.match(text):
        return _looked_through(found["rest"])
    if found := _EACH_HAS.match(text):
        asked = f"{found['rest']} does this document {_BASE[found['verb'].lower()]}"
        more = _bare(found["more"] or "")
        return _of_value(f"{asked} {more}", f"{found['rest']} {more}")
    for pattern in (_EVERYWHERE, _AT_THE_END):
        if found := pattern.match(text):
            return _of_value(f"{found['rest']} in this document", found["rest"])
    return None


def for_each(text: str) -> Counting:
    """What is asked of each document when `text` is put to all of them: as `recognised`, or the
    question itself."""
    text = " ".join(text.split())
    if found := recognised(text):
        return found
    framed = _FRAME.match(text)
    about = _bare(text[framed.end() if framed else 0 :])
    if _YES_NO.match(text):
        return Counting(text, "yes_no", about)
    return Counting(text, "value" if expected(text) else "find", about)


def offer(text: str, documents: int) -> Offer | None:
    """The offer of a sweep over `documents` documents, if `text` counts or lists and there are
    several."""
    found = recognised(text)
    if found is None or documents < 2:
        return None
    sentence = (
        f"This asks about every document: a sweep reads all {documents:,} and shows a row for "
        "each; an answer from the nearest passages would miss some."
    )
    return Offer("sweep", found.question, documents, sentence)


_YES_NO = re.compile(
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|may|must|shall|should|will)\b", re.I
)
# What frames a question to one document, and tells nothing of what to look for.
_THIS = rf"(?:the|this|that|a|any|each|our) (?:{_SINGULAR}|company|supplier|party)"
_FRAME = re.compile(
    rf"(?:(?:is|are) there (?:an?|any) |(?:do|does|did|has|have|is|are) {_THIS} "
    rf"(?:(?:{_VERB})\b ?)?(?:(?:to|of|about) )?|(?:what|where|which) (?:does|is|are) {_THIS} "
    r"(?:say|state)s? (?:about|on) )",
    re.IGNORECASE,
)


def _bare(text: str) -> str:
    return text.strip(" ?.!,;:")


def _of_subject(rest: str) -> Counting:
    """From what documents are to do ("have a termination clause") to a question to one."""
    rest = _bare(rest)
    absent = False
    if found := re.match(r"(?:that|which|who) ", rest, re.I):
        rest = rest[found.end() :]
    if found := re.match(rf"{_NOT} ", rest, re.I):
        rest, absent = rest[found.end() :], True
    if found := re.match(r"with(out)? ", rest, re.I):
        about = rest[found.end() :]
        return Counting(f"Does this document have {about}?", "yes_no", about, bool(found[1]))
    if found := re.match(r"(?:where|in which) ", rest, re.I):
        about = rest[found.end() :]
        return Counting(f"Does this document say that {about}?", "yes_no", about)
    if found := re.match(rf"{_BE} (not |without )?", rest, re.I):
        about = rest[found.end() :]
        if about.startswith("silent "):
            return _of_subject(about)
        return Counting(f"Is this document {about}?", "yes_no", about, bool(found[1]))
    if found := re.match(r"silent (?:on|about|as to) ", rest, re.I):
        about = rest[found.end() :]
        return Counting(f"Does this document mention {about}?", "yes_no", about, absent=True)
    word, _, about = rest.partition(" ")
    verb = _BASE.get(word.lower()) or _participle(word.lower())
    if verb is None:  # "governed by the law of Spain"
        return Counting(f"Is this document {rest}?", "yes_no", rest)
    if verb in ("lack", "omit"):
        return Counting(f"Does this document have {about}?", "yes_no", about, absent=not absent)
    about = (
        re.sub(r"^(?:to|of|about|with) ", "", about) if verb in _LIGHT_VERBS else f"{verb} {about}"
    )
    return Counting(f"Does this document {verb} {rest.partition(' ')[2]}?", "yes_no", about, absent)


def _participle(word: str) -> str | None:
    """The verb of "mentioning", None if it is none that documents take."""
    if not word.endswith("ing"):
        return None
    stem = word.removesuffix("ing")
    return next((v for v in (stem, f"{stem}e", stem[:-1]) if v in _BASE), None)


def _looked_through(rest: str) -> Counting:
    """From "is Marta Kovacs mentioned" to a question to one document."""
    rest = _bare(rest)
    about = re.sub(r"^(?:is|are|was|were|do|does|did|can|may|must|has|have) ", "", rest, flags=re.I)
    about = re.sub(r" (?:mentioned|named|found|used|described|discussed|listed)$", "", about)
    return Counting(f"{rest[0].upper()}{rest[1:]} in this document?", "yes_no", _bare(about))


def _of_value(question: str, about: str) -> Counting:
    """A question to one document that asks for a fact or a list."""
    about = re.sub(
        r"^(?:(?:what|which|who|when|how)(?: (?:is|are|was|were))?|list|name|show|find|give)"
        r"(?: me)?(?: (?:all|every|each|the|an?))*(?: of the)? ?", "", _bare(about), flags=re.I
    )  # fmt: skip
    asks = _bare(question)
    if not re.match(r"wh|how", asks, re.I):  # "List all retention periods"
        asks = f"What {about} does this document give"
    kind: Kind = "value" if expected(f"what is the {about}") or expected(asks) else "find"
    return Counting(f"{asks[0].upper()}{asks[1:]}?", kind, about)
