"""The small words that decide what a sentence claims: negation, obligation, bounds, order in time,
quantity, conditions and exceptions.

Pure, by rules, in English; of German, French and Spanish only the plainest negations are known. A
guard is a word or phrase with the class of what it does; two phrases of one class mean the same
here ("prior to", "before"). Phrases that look like one and are none ("not only", "no later than",
"whether or not") come first and are read as what they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Class(StrEnum):
    """What a guard does to its sentence."""

    NOT = "not"
    FORBIDDEN = "must not"
    CANNOT = "cannot"
    FREE = "need not"
    MUST = "must"
    SHOULD = "should"
    MAY = "may"
    WILL = "will"
    LEAST = "at least"
    MOST = "at most"
    WITHIN = "within"
    ABOVE = "more than"
    BELOW = "less than"
    ABOUT = "about"
    EXACTLY = "exactly"
    BEFORE = "before"
    AFTER = "after"
    UNTIL = "until"
    SINCE = "since"
    ALL = "all"
    SOME = "some"
    MAINLY = "mostly"
    MANY = "many"
    FEW = "few"
    EITHER = "either"
    ONLY = "only"
    MORE = "more"
    LESS = "less"
    IF = "if"
    EXCEPT = "except"
    UP = "up"
    DOWN = "down"
    FIRST = "1st"
    SECOND = "2nd"
    THIRD = "3rd"
    FOURTH = "4th"
    FIFTH = "5th"
    LATER_ORDINAL = "nth"


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard at `[start, end)` of its text."""

    is_: Class
    start: int
    end: int


_BE = r"(?:am|is|are|be|been|being|was|were)"
_ALLOWED = r"(?:permitted|allowed|authori[sz]ed|entitled)"
_OBLIGED = r"(?:required|obliged|obligated|necessary|mandatory|bound)"
_NUMBER_NEXT = (
    r"(?=\s*(?:an?\s+|the\s+)?(?:[A-Z]{3}\s?|US|approximately\s)?[$€£]?\s?(?:\.?\d|(?:one|two|three"
    r"|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|sixty|ninety|half)\b))"
)

# In order: an earlier phrase takes its words away from a later one. None: no guard.
_PHRASES: tuple[tuple[Class | None, str], ...] = (
    (None, r"not only|whether or not|not limited to|no\.(?=\s*\d)"
           r"|without (?:undue |unreasonable |further )?delay|(?:may|might) or may not"
           r"|more or less|(?:the|as) (?:following|above|below)|following(?=\s*:)"
           r"|as (?:well|soon|much|many|if|though)|even if|if not|and/or|up to date"
           r"|in accordance|all of a sudden|at all times|first and foremost|once again"
           r"|further to|over time|above all|one or more|none the less|nonetheless"
           r"|if any|as a result|set up|sign(?:s|ed)? up|up-to-date"),
    (Class.FREE, rf"(?:do|does|did)(?: not|n['’]t) (?:need|have|require)(?: to)?"
                 rf"|{_BE}(?: not|n['’]t) {_OBLIGED}(?: to)?|need not|no (?:need|obligation)\b"),
    (Class.MOST, r"(?:must|shall|may|should|will|can|does|do|did)(?: not|n['’]t| never) exceed"),
    (Class.FORBIDDEN, r"(?:must|shall)(?: not|n['’]t| never)"
                      rf"|(?:not|never|no longer)(?: be)? {_ALLOWED}(?: to)?"
                      r"|prohibit\w*|forbid\w*"),
    (Class.CANNOT, r"cannot|(?:can|could) not|(?:can|could)n['’]t|(?:not |un)able to"),
    (Class.LEAST, r"at least|(?:not|no) (?:less|fewer|lower|earlier) than|(?:a )?minimum of"
                  r"|not below"
                  r"|or (?:more|longer|above|later|greater)(?! (?:of|than))|at the earliest"),
    (Class.MOST, r"at most|(?:not|no) (?:more|greater|higher|longer) than|(?:no|not) later than"
                 r"(?: by| at)?|at the latest(?: by)?|not later than|up to(?! date)"
                 r"|(?:a )?maximum of|(?:not|never)(?: to)? exceed(?:s|ing)?|not (?:over|above)"
                 r"|or (?:less|fewer|below|earlier)(?! than)|by the latest"),
    (Class.ABOVE, r"(?:more|greater|longer) than|in excess of|exceed(?:s|ing|ed)?|upwards? of"
                  rf"|(?:over|above){_NUMBER_NEXT}"),
    (Class.BELOW, rf"(?:less|fewer|lower|shorter) than|(?:under|below){_NUMBER_NEXT}"),
    (Class.WITHIN, rf"within{_NUMBER_NEXT}"),
    (Class.ABOUT, rf"approximately|roughly|nearly|almost|circa|some{_NUMBER_NEXT}"
                  rf"|(?:about|around){_NUMBER_NEXT}"),
    (Class.EXACTLY, r"exactly|precisely"),
    (Class.EXCEPT, r"except(?:ing|ed)?(?: for| that| where| as| to| with| in)?|excluding|other than"
                   r"|apart from|unless|save (?:for|that|as|where)|with the exception of|but not"
                   r"|otherwise than|aside from"),
    (Class.MUST, rf"must|shall|{_BE} (?:also )?{_OBLIGED} to|required to|ha(?:s|ve|d) to|needs? to"
                 r"|mandatory|obligatory|compulsory"),
    (Class.SHOULD, rf"should|ought to|{_BE} (?:recommended|advised|encouraged)|advisable"),
    (Class.MAY, rf"may|might|can|could|{_BE} {_ALLOWED} to|optional(?:ly)?|possibly|perhaps"
                r"|potentially|likely|probably|expected to|intends? to|plans? to"),
    (Class.WILL, r"will|would"),
    (Class.IF, r"if|whenever|in case(?: of)?|in the event(?: of| that)?"
               r"|provided(?: that|,? however)|providing that|on (?:the )?condition(?: that)?"
               r"|(?:as|so) long as|to the extent|subject to|assuming|depending on|contingent"
               r"|(?-i:Where|When)|(?:(?<=, )|(?<=; )"
                r"|(?<=\. )|^|(?<=\band )|(?<=\bor ))(?:where|when)"
               r"|where (?:the|a|an|any|it|they|such|there|no|applicable|appropriate|relevant"
               r"|necessary|possible|required)"),
    (Class.NOT, r"exempt\w*|rather than|instead of|not|no|never|none|nor|neither|nobody|nothing"
                r"|nowhere|without|non|lacks?|lacking"
                r"|fail(?:s|ed|ure|ures)? to|n['’]t|hardly|scarcely|barely"
                r"|nicht|kein\w*|niemals|ohne|ne|pas|jamais|sans|aucun\w*|nunca|ning[uú]n\w*"),
    (Class.BEFORE, r"before|prior to|preceding|ahead of|in advance of|earlier than"),
    (Class.AFTER, r"after|following (?=the|an?|its|their|our|such|any|receipt)|subsequent to|once"
                  r"|upon|later than|thereafter"),
    (Class.UNTIL, r"until|till"),
    (Class.SINCE, r"since"),
    (Class.ONLY, r"only|solely|exclusively|merely|purely"),
    (Class.SOME, r"some|several|certain|various|a number of|sometimes|occasionally|partly|partially"
                 r"|in part|at times"),
    (Class.MAINLY, r"most|mostly|majority of|primarily|mainly|usually|generally|typically|normally"
                   r"|often|frequently|largely|predominantly|substantially|principally"),
    (Class.MANY, r"many|numerous|much"),
    (Class.FEW, r"few|little|rarely|seldom|a minority of"),
    (Class.EITHER, r"either"),
    (Class.ALL, r"all|every|each|any|both|always|entire|whole|everyone|everything|fully|wholly"
                r"|in full|entirely|completely"),
    (Class.MORE, r"more"),
    (Class.LESS, r"less|fewer|lesser|least"),
    (Class.UP, r"up|upwards?"),
    (Class.DOWN, r"down|downwards?"),
    (Class.FIRST, r"first|1st"),
    (Class.SECOND, r"second|2nd"),
    (Class.THIRD, r"third|3rd"),
    (Class.FOURTH, r"fourth|4th"),
    (Class.FIFTH, r"fifth|5th"),
    (Class.LATER_ORDINAL, r"(?:six|seven|eigh|nin|ten|eleven|twelf)th|\d+th"),
)  # fmt: skip
_CLASSES = [is_ for is_, _ in _PHRASES]
_GUARD = re.compile(
    r"(?<![\w-])(?:" + "|".join(f"({pattern})" for _, pattern in _PHRASES) + r")(?![^\W\d])"
    r"|(?<=\w)(n['’]t)\b",
    re.IGNORECASE,
)


def find(text: str) -> tuple[Guard, ...]:
    """The guards of `text` in order; they do not overlap."""
    found = []
    for match in _GUARD.finditer(text):
        number = (match.lastindex or 1) - 1
        is_ = Class.NOT if number >= len(_CLASSES) else _CLASSES[number]
        if is_ is not None:
            found.append(Guard(is_, match.start(), match.end()))
    return tuple(found)
