"""Ways to make a true sentence false, and ways to say it otherwise and keep it true.

Used by `gate_corruptions.py`. Shares no code with the gate: plain expressions of its own find the
place to change. A corruptor takes a sentence, the other sentences of its passage and a source of
chance, and gives the sentence with one thing altered, or None where it finds nothing to alter.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

Change = Callable[[str, Sequence[str], random.Random], str | None]

_NUMBER = re.compile(r"(?<![\w.,$€£(/-])(?<!\d )\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w/-])"
                     r"|(?<![\w.,/:(§-])\d+(?:\.\d+)?(?![\w,/:-]|\.\d|\))")  # fmt: skip
_WORD_NUMBER = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty)\b"
)
_WORDS = [
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "twelve",
    "twenty",
]
_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December"]  # fmt: skip
_REFERENCE = re.compile(
    r"\b(?:Rules?|[Ss]ections?|[Cc]lauses?|[Aa]rticles?|[Pp]aragraphs?|[Pp]art|[Cc]hapter|"
    r"[A-Z]{3,4})\s+\u200e?(\d+(?:\.\d+)*(?:\([a-z0-9]+\))*)"
)
_MONEY = re.compile(r"(?<![a-z])(US\$|\$|€|£|EUR |USD |GBP |AED )(?=\(?\d)")


def _put(text: str, match: re.Match[str], new: str, group: int = 0) -> str:
    return text[: match.start(group)] + new + text[match.end(group) :]


def _one(pattern: str | re.Pattern[str], text: str, rng: random.Random) -> re.Match[str] | None:
    found = list(re.finditer(pattern, text))
    return rng.choice(found) if found else None


def _swap_word(
    pairs: Sequence[tuple[str, str]], text: str, rng: random.Random, guard: str = ""
) -> str | None:
    """One of the words of `pairs` (expression, instead) replaced where it stands."""
    places = [(m, new) for old, new in pairs for m in re.finditer(rf"\b{old}\b{guard}", text)]
    if not places:
        return None
    match, new = rng.choice(places)
    return _put(text, match, new.capitalize() if match.group()[0].isupper() else new)


def _numbers(text: str) -> list[re.Match[str]]:
    """Numbers that are no year, no list number and no part of a reference."""
    referred = [m.span(1) for m in _REFERENCE.finditer(text)]
    return [
        m
        for m in _NUMBER.finditer(text)
        if not re.fullmatch(r"(?:19|20)\d\d", m.group())
        and not any(start <= m.start() < end for start, end in referred)
        and not re.search(rf"(?:{'|'.join(_MONTHS)})\.? $", text[: m.start()])
        and not re.match(rf" (?:{'|'.join(_MONTHS)})", text[m.end() :])
    ]


def _other_number(written: str, rng: random.Random) -> str:
    digits = [n for n, c in enumerate(written) if c.isdigit()]
    at = rng.choice(digits)
    new = rng.choice([d for d in "123456789" if d != written[at]])
    return written[:at] + new + written[at + 1 :]


def number(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Another digit in a number, or another small number in words."""
    found = [*_numbers(text), *_WORD_NUMBER.finditer(text)]
    if not found:
        return None
    match = rng.choice(found)
    if match.group()[0].isdigit():
        return _put(text, match, _other_number(match.group(), rng))
    return _put(text, match, rng.choice([w for w in _WORDS if w != match.group()]))


def scale(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """A million for a billion, or the scale left out."""
    match = _one(r"(?<=\d )(million|billion|thousand)\b", text, rng)
    if match is None:
        return None
    if rng.random() < 0.5:
        return text[: match.start()].rstrip() + text[match.end() :]
    return _put(text, match, {"million": "billion"}.get(match.group(), "million"))


def sign(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """A minus put before an amount or percentage, or taken away."""
    bracket = _one(r"\((\d{1,3}(?:,\d{3})+|\d+\.\d+)\)", text, rng)
    if bracket:
        return _put(text, bracket, bracket.group(1))
    match = _one(r"(?<= )(?:US\$|[$€£])?[1-9][\d,.]*(?=%| million| billion| percent)", text, rng)
    return _put(text, match, rng.choice("-−") + match.group()) if match else None


def unit(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Months for years, days for weeks, hours for days."""
    instead = {"year": "month", "month": "week", "week": "day", "day": "hour", "hour": "minute",
               "minute": "day", "quarter": "year"}  # fmt: skip
    pattern = r"(?:\d|\w{2,})[ -](year|month|week|day|hour|minute)(s?)\b"
    places = [
        m
        for m in re.finditer(pattern, text)
        if re.search(r"(?:\d|\b(?:" + "|".join(_WORDS) + r"))\)?[ -]$", text[: m.start(1)])
    ]
    if not places:
        return None
    match = rng.choice(places)
    return _put(text, match, instead[match.group(1)], 1)


def day(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Another year, month or day in a date."""
    places: list[tuple[re.Match[str], str]] = []
    for m in re.finditer(r"(?<![\d,.$-])(?:19|20)\d\d(?![\d,-]|\.\d)", text):
        year = str(int(m.group()) + rng.choice((-3, -2, -1, 1, 2, 3)))
        if year not in text:
            places.append((m, year))
    for m in re.finditer(rf"\b({'|'.join(_MONTHS)})(?= \d)|(?<=\d )({'|'.join(_MONTHS)})\b", text):
        places.append((m, rng.choice([x for x in _MONTHS if x not in text])))
    for m in re.finditer(rf"(?<=(?:{_MONTHS[0]}) )\d\d?(?=,)", text):
        places.append((m, str(int(m.group()) % 28 + 1)))
    for name in _MONTHS[1:]:
        for m in re.finditer(rf"(?<=\b{name} )\d\d?(?=,)", text):
            places.append((m, str(int(m.group()) % 27 + 1)))
    if not places:
        return None
    return _put(text, *rng.choice(places))


def _names(text: str) -> list[re.Match[str]]:
    pattern = r"(?<=[a-z,] )[A-Z][\w&’'-]+(?: (?:of |the )?[A-Z][\w&’'-]+)*"
    months = "|".join(_MONTHS)
    return [m for m in re.finditer(pattern, text) if not re.match(rf"(?:{months})\b", m.group())]


def swap_names(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Two names of the sentence change places."""
    found = _names(text)
    pairs = [
        (a, b)
        for n, a in enumerate(found)
        for b in found[n + 1 :]
        if not re.search(r"['’]s?$", a.group() + "|" + b.group())
        and not a.group().endswith(("'s", "’s"))
        and not {w.lower().rstrip("s") for w in a.group().split()}
        & {w.lower().rstrip("s") for w in b.group().split()}
        # "A and B" says the same as "B and A", and a name in a list can stand anywhere in it
        and not re.fullmatch(r",?(?: (?:and|or|the|a|an|any|its|our))* ?|, |/",
                             text[a.end() : b.start()])
        and not re.search(r",[^,]*(?:,| and | or )", text[a.end() : b.end() + 6])
    ]  # fmt: skip
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    middle = text[a.end() : b.start()]
    if re.search(r"\b(?:and|or)\b", middle):
        return None
    return text[: a.start()] + b.group() + middle + a.group() + text[b.end() :]


def other_name(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """A name of the sentence replaced by one that nothing here holds."""
    match = _one(r"(?<=[a-z,] )[A-Z][a-z]+ [A-Z][a-z]+", text, rng)
    new = rng.choice(("Peter Holm", "Lindqvist Partners", "Oakland Holdings", "Maria Celeste"))
    return _put(text, match, new) if match else None


_VERBS = ("inform|notify|notifies|informs|provide|provides|acquired|sold|pays?|paid|require|"
          "requires|appoint|appoints|disclose|discloses|supervises?|owns?|defeated|"
          "approves?|engages?|employs?|advises?|contacts?|sends?|sent|gives?|gave")  # fmt: skip
_SIDES = re.compile(
    r"^(?P<a>(?:The|An?|Each|Every) (?P<left>[A-Za-z]+(?: [A-Z][a-z]+)*)) (?P<v>(?:(?:must|shall|"
    rf"may|will|should|can) )?(?:{_VERBS})) (?P<b>(?:the|an?|any|its|our) (?P<right>[A-Za-z]+"
    r"(?: [A-Z][a-z]+)*))(?=[ ,.])"
)


def roles(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Who does it and to whom it is done change places."""
    match = _SIDES.match(text)
    if match is None or match.group("left").lower() == match.group("right").lower():
        return None
    a, b = match.group("a"), match.group("b")
    swapped = f"{b[0].upper()}{b[1:]} {match.group('v')} {a[0].lower()}{a[1:]}"
    return swapped + text[match.end("b") :]


def negate(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """A "not" put in."""
    if re.search(r"\b(?:not|no|nor|never|unless|without)\b|n['’]t", text):
        return None
    match = _one(
        r"\b(?:must|shall|may|will|should|can|is|are|was|were)\b(?! (?:to|not))", text, rng
    )
    return _put(text, match, match.group() + " not") if match else None


def affirm(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """A "not" or "no" taken out."""
    if re.search(r"not (?:only|limited|less|more|later|exceed)|whether or not", text):
        return None
    match = _one(r"(?<=must|hall|.may|will|ould|.can|..is|.are|.was|were) not\b"
                 r"|(?<=must|hall|.may|will) never\b|(?<= )no(?= [a-z])(?! (?:later|more|less))",
                 text, rng)  # fmt: skip
    return re.sub(r"  +", " ", _put(text, match, "")) if match else None


def modal(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """May for must, must for should or may."""
    return _swap_word(
        [("must", "may"), ("shall", "may"), ("should", "must"), ("may", "must"),
         ("is required to", "may"), ("are required to", "may"), ("can", "must")],
        text, rng, r"(?! not)(?<!\bMay)",
    )  # fmt: skip


def bound(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """At most for at least, less than for more than, or the other way round; or left out."""
    return _swap_word(
        [("at least", "at most"), ("no less than", "no more than"), ("more than", "less than"),
         ("less than", "more than"), ("up to", "at least"), ("no later than", "no earlier than"),
         ("at most", "at least"), ("not exceed", "exceed"), ("minimum of", "maximum of"),
         ("greater than", "less than"), ("not less than", "not more than"),
         ("approximately", "exactly"), ("exceeding", "below"), ("fewer than", "more than"),
         ("not more than", "at least"), ("in excess of", "below")],
        text, rng,
    )  # fmt: skip


def order(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """After for before, until for since."""
    return _swap_word(
        [("before", "after"), ("prior to", "after"), ("after", "before"), ("until", "after"),
         ("subsequent to", "before"), ("preceding", "following"), ("since", "until")],
        text, rng,
    )  # fmt: skip


def quantifier(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Some for all, all for some, a "only" left out, rarely for usually."""
    if rng.random() < 0.3 and re.search(r" only\b(?<!not only)", text):
        return re.sub(r" only\b", "", text, count=1)
    return _swap_word(
        [("all(?! of)", "some"), ("every", "some"), ("some", "all"), ("most", "all"),
         ("certain(?= [a-z]+s )", "all"), ("always", "sometimes"), ("sometimes", "always"),
         ("usually", "rarely"), ("often", "rarely"), ("generally", "always"), ("both", "either"),
         ("many", "few"), ("each", "no"), ("primarily", "exclusively"), ("several", "all"),
         ("substantially all", "all"), ("mainly", "only")],
        text, rng,
    )  # fmt: skip


_CONDITION = re.compile(
    r",? (?:unless|(?<!\bas )(?<!\bonly )if|except (?:for|that|where|as|to)|provided that"
    r"|other than|excluding|"
    r"only if|save (?:for|that|as)|to the extent)\b[^,;.:]+(?=[,;.])"
)
_FRONT = re.compile(r"^(?:If|Where|Unless|Except (?:for|as)|Subject to|When)\b[^,;:]+, (?=[a-z])")


def exception(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """The condition or exception of the sentence left out."""
    front = _FRONT.match(text)
    if front:
        rest = text[front.end() :]
        return rest[0].upper() + rest[1:] if len(rest.split()) > 4 else None
    match = _one(_CONDITION, text, rng)
    if match is None or re.match(r",? (?:if any|if applicable)", match.group()):
        return None
    left = _put(text, match, "")
    return left if len(left.split()) > 4 else None


def clause(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Another number of a clause, or one level more or less."""
    match = _one(_REFERENCE, text, rng)
    if match is None:
        return None
    written = match.group(1)
    ways = [
        _other_number(written, rng),
        written + ".1" if written[-1].isdigit() else written + "(a)",
    ]
    if "." in written and "(" not in written:
        ways.append(written.rsplit(".", 1)[0])
    if "(" in written:
        ways.append(written[: written.rindex("(")])
    return _put(text, match, rng.choice(ways), 1)


def currency(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Euros for dollars."""
    match = _one(_MONEY, text, rng)
    if match is None:
        return None
    return _put(text, match, rng.choice([c for c in ("€", "£", "AED ") if c != match.group()]))


def points(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Percentage points or basis points for a percentage, or the other way round."""
    match = _one(r"(?<=\d)(?:%| percent\b| per cent\b)(?! point)", text, rng)
    if match:
        return _put(text, match, rng.choice((" percentage points", " basis points", "")))
    match = _one(r"(?<=\d) (?:percentage|basis) points?", text, rng)
    return _put(text, match, "%") if match else None


_VALUES = re.compile(
    r"(?:US\$|[$€£])\s?\d[\d,.]*\d(?: (?:million|billion))?|\b\d+(?:\.\d+)?(?:%| percent)"
    r"|\b\d+ (?:days|months|years|hours|weeks)\b|(?<= )\d{1,3}(?:,\d{3})+\b"
)


def swap_values(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Two values of one sentence change places."""
    found = list(_VALUES.finditer(text))
    pairs = [(a, b) for n, a in enumerate(found) for b in found[n + 1 :] if a.group() != b.group()]
    pairs = [
        (a, b)
        for a, b in pairs
        if not re.fullmatch(r",? (?:and|or) |, | to ", text[a.end() : b.start()])
    ]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    return text[: a.start()] + b.group() + text[a.end() : b.start()] + a.group() + text[b.end() :]


def neighbour(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """A value of another sentence of the passage in the place of this one's."""
    mine = list(_VALUES.finditer(text))
    theirs = [m.group() for other in others if other != text for m in _VALUES.finditer(other)]
    theirs = [v for v in theirs if v not in text]
    if not mine or not theirs:
        return None
    return _put(text, rng.choice(mine), rng.choice(theirs))


def comparative(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Lower for higher, smallest for largest, decreased for increased."""
    return _swap_word(
        [("higher", "lower"), ("lower", "higher"), ("greater", "smaller"), ("larger", "smaller"),
         ("increased", "decreased"), ("increase", "decrease"), ("decreased", "increased"),
         ("decrease", "increase"), ("largest", "smallest"), ("highest", "lowest"),
         ("lowest", "highest"), ("first", "last"), ("longer", "shorter"), ("earlier", "later"),
         ("better", "worse"), ("gain", "loss"), ("loss", "gain"), ("higher", "highest"),
         ("most", "least"), ("best", "worst"), ("largest", "second largest")],
        text, rng,
    )  # fmt: skip


def frequency(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Monthly for quarterly, per month for per year."""
    return _swap_word(
        [("annual", "monthly"), ("annually", "monthly"), ("quarterly", "monthly"),
         ("monthly", "yearly"), ("daily", "weekly"), ("per year", "per month"),
         ("per annum", "per month"), ("per month", "per year"), ("weekly", "daily"),
         ("each year", "each month"), ("twice", "once")],
        text, rng,
    )  # fmt: skip


def and_or(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """To for from, or the other way round; received for sent."""
    return _swap_word(
        [("from the", "to the"), ("to the(?= [A-Z])", "from the"), ("with", "without"),
         ("include", "exclude"), ("includes", "excludes"), ("including", "excluding"),
         ("internal", "external"), ("direct", "indirect"), ("assets", "liabilities"),
         ("buy", "sell"), ("approved", "rejected")],
        text, rng,
    )  # fmt: skip


CORRUPTIONS: dict[str, Change] = {
    "number": number, "scale": scale, "sign": sign, "unit": unit, "date": day,
    "swap-names": swap_names, "other-name": other_name, "roles": roles, "negate": negate,
    "affirm": affirm, "modal": modal, "bound": bound, "order": order, "quantifier": quantifier,
    "exception": exception, "clause": clause, "currency": currency, "points": points,
    "swap-values": swap_values, "neighbour": neighbour, "comparative": comparative,
    "frequency": frequency, "opposite": and_or,
}  # fmt: skip
EXACT = ("number", "scale", "sign", "unit", "date", "other-name", "clause", "currency", "points",
         "frequency")  # fmt: skip


def verbatim(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """The sentence as it stands."""
    return text


def led_in(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """The sentence after words that a model likes to put before it."""
    small = text[0].lower() + text[1:] if re.match(r"(?:The|An?|In|If|All|Each) ", text) else text
    return rng.choice(("According to the passage, ", "Yes, ", "- ", "Answer: ")) + small + " [1]"


def synonym(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """Other words that mean the same in any document."""
    return _swap_word(
        [("must", "shall"), ("shall", "must"), ("prior to", "before"), ("retain", "keep"),
         ("at least", "no less than"), ("no later than", "at the latest by"),
         ("notify", "inform"), ("more than", "over"), ("approximately", "about"),
         ("purchase", "buy"), ("commence", "start"), ("each", "every"), ("is required to", "must"),
         ("are required to", "must"), ("retained", "kept"), ("received", "received"),
         ("subsequent to", "after"), ("begins", "starts"), ("terminated", "ended"),
         ("customers", "clients"), ("vendors", "suppliers"), ("percent", "per cent"),
         ("located", "situated"), ("obtain", "get"), ("utilize", "use"), ("assist", "help")],
        text, rng,
    )  # fmt: skip


def number_format(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """The same number, date or amount written otherwise."""
    months = "|".join(_MONTHS)
    words = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
             "eight": "8", "nine": "9", "ten": "10", "twelve": "12"}  # fmt: skip
    ways: list[str] = []
    m = re.search(rf"\b({months}) (\d\d?), (\d{{4}})", text)
    if m:
        ways.append(_put(text, m, f"{m.group(2)} {m.group(1)} {m.group(3)}"))
        iso = f"{m.group(3)}-{_MONTHS.index(m.group(1)) + 1:02d}-{int(m.group(2)):02d}"
        ways.append(_put(text, m, iso))
    m = re.search(rf"\b(\d\d?) ({months}) (\d{{4}})", text)
    if m:
        ways.append(_put(text, m, f"{m.group(2)} {m.group(1)}, {m.group(3)}"))
    m = re.search(r"(?<=\d)%", text)
    if m:
        ways.append(_put(text, m, " percent"))
    m = re.search(r"(?<=\d) percent\b", text)
    if m:
        ways.append(_put(text, m, "%"))
    m = re.search(r"\$(\d+\.\d) million", text)
    if m:
        ways.append(_put(text, m, f"${round(float(m.group(1)) * 1_000_000):,}"))
    m = re.search(rf"\b({'|'.join(words)}) (?=days|years|months|members|weeks)", text)
    if m:
        ways.append(_put(text, m, words[m.group(1)], 1))
    return rng.choice(ways) if ways else None


_ADVERBS = re.compile(
    r" (?:also|therefore|promptly|currently|subsequently|duly|further|however|historically|"
    r"simply|properly|additionally|accordingly|successfully|actively)(?= [a-z])"
)


def adverb(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """An adverb left out that takes nothing back."""
    match = _one(_ADVERBS, text, rng)
    return _put(text, match, "") if match else None


_HEDGES = re.compile(r"\b(?:if|unless|where|when|except|provided|but|however|not|no|only|than|"
                     r"other|subject|without|whether|extent|may|some|until)\b", re.I)  # fmt: skip


def first_clause(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """What stands before ", and", where the sentence has no condition or restriction."""
    match = re.match(r"(.{30,}?), and (?:the|it|we|our|its|a) ", text)
    if match is None or _HEDGES.search(text) or "," in match.group(1) or ":" in text:
        return None
    return match.group(1) + "."


def last_clause(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """What follows "; and" or ", and the", where the sentence has no condition."""
    match = re.search(r"(?:; and|, and|;) ((?:the|we|our|its) .{30,})$", text)
    if match is None or _HEDGES.search(text) or ":" in text or ", and" in match.group(1):
        return None
    if not re.search(r"\b(?:is|are|was|were|must|shall|will|has|have)\b", match.group(1)):
        return None
    return match.group(1)[0].upper() + match.group(1)[1:]


def passive(text: str, others: Sequence[str], rng: random.Random) -> str | None:
    """ "The X must notify the Y." as "The Y must be notified by the X."; simple sentences only."""
    done = {"inform": "informed", "notify": "notified", "provide": "provided", "appoint":
            "appointed", "require": "required", "approve": "approved", "obtain": "obtained",
            "maintain": "maintained", "review": "reviewed", "consider": "considered",
            "establish": "established", "publish": "published", "use": "used", "collect":
            "collected", "disclose": "disclosed", "ensure": "ensured", "submit": "submitted",
            "keep": "kept", "adopt": "adopted", "issue": "issued"}  # fmt: skip
    match = re.fullmatch(
        rf"((?:The|An?|Each) [A-Za-z ]{{3,40}}?) (must|shall|may|should) ({'|'.join(done)}) "
        r"((?:the|an?|its|their|all|any|such) [A-Za-z0-9'’ ]{3,110})\.",
        text,
    )
    if match is None or re.search(r"\b(?:that|which|who|if|where|when|not|unless|how)\b", text):
        return None
    who, how, verb, what = match.groups()
    parts = re.split(r" (?=of|in|for|with|from|by|on|at|before|after|within)\b", what, maxsplit=1)
    rest = f" {parts[1]}" if len(parts) > 1 else ""
    subject = f"{parts[0][0].upper()}{parts[0][1:]}{rest}"
    return f"{subject} {how} be {done[verb]} by {who[0].lower()}{who[1:]}."


TRUTHS: dict[str, Change] = {
    "verbatim": verbatim, "lead-in": led_in, "synonym": synonym, "format": number_format,
    "adverb left out": adverb, "first clause": first_clause, "last clause": last_clause,
    "passive": passive,
}  # fmt: skip
