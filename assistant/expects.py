"""The kind of fact that a question asks for: a duration, an amount, a person...

Pure, by rules, in English; the first rule that matches decides. Without a match no kind is expected
and any sentence may answer.
"""

from __future__ import annotations

import re

from assistant.facts import Kind

_BE = r"(?: is| was| are| were| will be)?(?: the| an?| our| their)?"
_WHICH = rf"\b(?:what|which){_BE} (?:[\w'’-]+ ){{0,4}}"

_RULES: tuple[tuple[re.Pattern[str], frozenset[Kind]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), frozenset(kinds))
    for pattern, kinds in (
        (r"\bhow (?:often|frequently)\b", (Kind.FREQUENCY, Kind.DURATION)),
        (
            r"\bhow (?:soon|quickly|fast|late)\b|\bwithin (?:what|which|how)\b"
            r"|\b(?:by|until|before|since) (?:when|what|which)\b|\bwhat time\b"
            rf"|{_WHICH}(?:deadline|time ?limit|time ?frame)\b",
            (Kind.DURATION, Kind.DATE, Kind.TIME),
        ),
        (
            r"\bhow long\b|\bhow old\b|\bhow much (?:more )?(?:time|notice)\b"
            r"|\bhow many (?:\w+ ){0,2}(?:years|months|weeks|days|hours|minutes)\b"
            rf"|\bfor what period\b|\b(?:shortest|longest) time\b|{_WHICH}(?:\w+ )?"
            r"(?:period|duration)\b",
            (Kind.DURATION,),
        ),
        (
            rf"\bwhen\b(?= (?:is|was|are|were|did|does|do|will|may|must|should|can) )"
            rf"|{_WHICH}(?:date|day|month)\b|\b(?:what|which){_BE} (?:\w+ )?years?\b",
            (Kind.DATE, Kind.DURATION, Kind.TIME),
        ),
        (r"\b(?:percentage|percent|per cent|proportion|fraction|share) of\b", (Kind.PERCENT,)),
        (rf"{_WHICH}(?:percentage|percent|share|proportion|fraction)\b", (Kind.PERCENT,)),
        (
            rf"{_WHICH}(?:dose|dosage|temperature|weight|strength|volume|size|capacity|distance)\b",
            (Kind.QUANTITY, Kind.NUMBER, Kind.PERCENT),
        ),
        (
            rf"{_WHICH}(?:fees?|costs?|price|budget|fine|penalty|salary|charge|premium|sum|revenue"
            r"|spend|cap|amount|pay|allowance)\b|\bhow much (?:does|do|did|is|are|was|were|may|can"
            r"|must|will|of)\b|\b(?:to|from|above|below) (?:what|which) amount\b"
            r"|\bwhat (?:does|do|did|is|are|was|were) (?:[\w'’-]+ ){1,8}(?:pay|paid|cost|charge"
            r"|earn)\b",
            (Kind.AMOUNT, Kind.PERCENT),
        ),
        (
            rf"\bhow (?:much|many|large|big|high|low|far|heavy|cold|hot|warm|deep|wide)\b|{_WHICH}"
            r"(?:threshold|limit|rate|ratio|number|maximum|minimum|target|score|total|pass mark)\b",
            (Kind.NUMBER, Kind.QUANTITY, Kind.PERCENT, Kind.AMOUNT, Kind.DURATION),
        ),
        (r"\b(?:e-?mail|mailbox)\b", (Kind.EMAIL, Kind.NAME)),
        (
            r"(?:^|[,;:.?]\s*|\b(?:and|to|by|from|with|for|know|name)\s+)(?:who|whom|whose)\b"
            r"|\bwhich (?:person|role|team|committee|firm|company|supplier"
            r"|provider|bank|authority|supervisor|country|city|river)\b",
            (Kind.NAME,),
        ),
        (
            r"\b(?:what|which) (?:clause|section|article|sop|version|form|document (?:number|id)"
            r"|reference|annex|paragraph)\b",
            (Kind.IDENTIFIER, Kind.NUMBER, Kind.NAME),
        ),
    )
)


def expected(text: str) -> frozenset[Kind]:
    """The kinds of fact that the question in `text` asks for; empty when it asks for none."""
    for pattern, kinds in _RULES:
        if pattern.search(text):
            return kinds
    return frozenset()
