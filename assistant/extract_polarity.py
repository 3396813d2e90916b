"""Whether a sentence says yes or no to what a field asks.

Pure, by rules, in English. A field that asks for yes or no is answered by a sentence that holds its
telling words, and by whether that sentence is negated; what merely is not mentioned is neither.
Where a sentence could be meant either way (two negations, "may" where "must" is asked) it gives no
answer. A condition ("unless", "without consent") does not turn a rule into its opposite: whether
the main clause is negated decides.
"""

from __future__ import annotations

import re

from assistant import clauses
from assistant.terms import keys

_YES = re.compile(r"(?:yes|true|y|x|☒|☑|✓|✔|\[x\]|included|applies|applicable)\.?", re.I)
_NO = re.compile(r"(?:no|false|n|none|☐|\[ ?\]|not included|not applicable|excluded)\.?", re.I)
_CONDITION = re.compile(
    r",?\s*\b(?:unless|except(?:\s+(?:that|where|as|for|with|in))?|without|other than|save|but only"
    r"|only (?:if|where|when)|provided that)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_UNTOUCHED = re.compile(
    r"\bwithout (?:limitation|limiting|prejudice)\b|\bnotwithstanding\b|\bwhether or not\b"
    r"|\bnot only\b",
    re.IGNORECASE,
)
_EXISTS = re.compile(
    r"\b(?:contains?|includes?|there (?:is|are)|(?:is|are) there|has|have|provides? for)\b"
    r".*\b(?:clauses?|provisions?|sections?|terms?|right|obligations?)\b|\bclause\b"
    r"|\bprovision\b|\b(?:is|are) there\b",
    re.IGNORECASE,
)
_IS_NONE = re.compile(
    r"\b(?:contains?|includes?|imposes?|there (?:is|are|shall be)|provides? for|has|have) no\b",
    re.IGNORECASE,
)
_PERMITS = re.compile(r"\b(?:may|can|could|allow\w*|permit\w*|entitled|right to)\b", re.IGNORECASE)
_OBLIGES = re.compile(
    r"\b(?:must|shall|requir\w*|mandatory|oblig\w*|ha[sv]e to|needs? to)\b", re.IGNORECASE
)
_NON = re.compile(r"\bnon[- ]?(\w{4,})", re.IGNORECASE)
# Words of a question that say nothing of what is asked.
GENERIC = keys(
    "agreement contract document clause provision section contain include state specify say there "
    "whether true false yes no right allow permit require oblige mandatory entitle given automatic "
    "case party parties policy provide exist apply is are does do must may shall can flag "
) - keys("automatic")


def cell(text: str) -> bool | None:
    """What a form's entry says: "Yes", "No", a ticked box; None for anything else."""
    plain = text.strip()
    if _YES.fullmatch(plain):
        return True
    return False if _NO.fullmatch(plain) else None


def verdict(question: str, wanted: frozenset[str], sentence: str) -> bool | None:
    """What `sentence` answers to `question`, whose telling words are `wanted`; None for neither."""
    plain = _UNTOUCHED.sub(" ", sentence)
    main = _main(plain, wanted)
    count = clauses.negations(main)
    if not _NON.search(question):
        count += sum(bool(keys(word) & wanted) for word in _NON.findall(main))
    asked = clauses.negations(question)
    if count > 1 or asked > 1:
        return None
    negated = count == 1
    if _EXISTS.search(question):
        none = negated and _IS_NONE.search(main)
        return False if none and not asked else None if negated or asked else True
    if clauses.opposed(wanted, keys(main)):
        negated = not negated
    permits, obliges = bool(_PERMITS.search(question)), bool(_OBLIGES.search(question))
    if obliges and not permits and _PERMITS.search(main) and not _OBLIGES.search(main):
        return None  # what may be done need not be; nor does "may not" say that it need not
    if permits and not obliges and _OBLIGES.search(main) and not _PERMITS.search(main):
        return False if negated else None
    return negated == bool(asked)


def _main(sentence: str, wanted: frozenset[str]) -> str:
    """The sentence without the condition at its end, if what is asked stands before that; and
    without one that opens it ("Unless agreed otherwise, ...")."""
    opening = re.match(r"\s*(?:unless|except|without|save|if)\b[^,]*,\s*", sentence, re.IGNORECASE)
    rest = sentence[opening.end() :] if opening else sentence
    cut = _CONDITION.sub("", rest)
    return cut if keys(cut) & wanted else rest
