"""A question taken apart into its phrases: what it asks with, its noun phrases, what each names.

Pure, by word lists and position, in English; no tagger. A verb is told from a noun by the words
around it ("does the bank *report* ..." but "the annual *report*"), so a rare verb may be taken for
a part of a phrase. That makes a completed follow-up clumsy; it cannot make a statement pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from assistant import facts
from assistant.facts import Fact
from assistant.facts import Kind as FactKind
from assistant.terms import fold, is_light, stem, terms


def listed(words: str) -> frozenset[str]:
    """The words of a list that is written as one text."""
    return frozenset(words.split())


def stems(words: str) -> frozenset[str]:
    """The comparable forms of the words of such a list."""
    return frozenset(map(stem, words.split()))


TOKEN = re.compile(r"[^\W_]+(?:(?:[-'’./&]|,(?=\d))[^\W_]+)*(?:['’](?=\s|$))?|[,;:()?]")
WH = listed("""who whom whose what which when where why how""")
BE = listed("""is are was were be been being isn't aren't""")
DO = listed("""do does did don't doesn't didn't""")
HAVE = listed("""has have had""")
MODAL = listed("""can could may might must shall should will would""")
AUXILIARY = BE | DO | HAVE | MODAL
DETERMINERS = listed(
    """a an the this that these those any every each all some no its their his her our your my such
    another both"""
)
POSSESSIVE = listed("""its their his her""")
PREPOSITIONS = listed(
    """for of in on at to from by with within under about during after before until since between
    against per via without regarding concerning as into over than towards toward through above
    below beyond except besides"""
)
CONJUNCTIONS = listed("""and or but if while because whereas unless whether nor once""")
_PRONOUNS = listed(
    """i we you he she it they them him her us me one ones there this that these those"""
)
_ADVERBS = listed(
    """not also only still ever even exactly usually normally already again now then currently
    actually too either always never just last here so yet instead anyway please more most less
    least long often much many soon far up down out off else otherwise therefore thus"""
)
_VERBS = listed(
    """accept access acquire act address adopt agree allow amend answer appeal appear appoint apply
    approve arise ask assess assign attend audit authorise authorize award become begin belong
    bill block borrow bring buy calculate call cancel carry cause cease certify chair change charge
    check choose claim classify close collect come complain complete comply conduct confirm
    consent consider contact contain continue control cost count cover create cure decide declare
    delegate delete deliver deny depend describe destroy determine differ disclose discuss dispose
    do earn employ enable encrypt end enforce ensure enter erase escalate establish evaluate
    exceed exclude execute exercise exist expect expire explain export extend fail file fill find
    follow fund get give go govern grant handle happen have hold identify impose include increase
    inform inspect install invest investigate invoice issue join keep know lead leave lend licence
    license limit list lodge lose make manage match mean measure meet mention monitor move name
    need negotiate notify object obtain occur offer open operate order overrule own pass pay
    perform permit prepare prescribe prevent process produce prohibit protect provide publish
    purchase put qualify raise reach read receive recognise recognize recommend record recover
    reduce refer refund refuse register regulate reject release rely remove renew repay replace
    report represent request require resign resolve respond restrict retain return review revise
    revoke rotate run say see seek sell send serve set settle share show sign specify spend start
    state stop store submit sue supervise supply support suspend take tell terminate test train
    transfer treat trigger update use verify view visit vote wait waive want withdraw work write"""
)
_IRREGULAR = listed(
    """kept held paid sent made told given written taken begun left met sold bought chosen found
    lost said set led built spent shown known drawn seen broken done had been brought dealt sought
    put cut cost became began came got gave held knew meant read ran said saw sold shut taught
    thought understood won withdrawn"""
)
_NO_PARTICIPLE = listed("""need speed feed seed deed shed bed hundred weed breed bleed red""")
_PLURALS = listed("""people children men women staff criteria data premises personnel""")
_SINGULAR_S = ("ss", "us", "is", "news", "series")
ROLES = stems(
    """officer manager director head chair chairman chairwoman chairperson doctor physician nurse
    patient employee customer client member owner supervisor auditor judge lawyer solicitor
    investigator applicant complainant tenant citizen trustee pharmacist minister mayor secretary
    clerk teacher volunteer participant worker adviser advisor person individual executive
    president treasurer registrar commissioner inspector analyst consultant approver deputy
    controller ombudsman surgeon midwife donor borrower partner counsel colleague guardian parent
    student passenger minor adult contractor
    trainee intern apprentice visitor guest resident spouse child beneficiary
    policyholder"""
)
RELATIONAL = stems(
    """period deadline limit fee cost price penalty fine exception owner date scope purpose
    threshold amount approver reason consequence frequency duration maximum minimum rate percentage
    dose dosage definition requirement condition procedure contact address email exemption sanction
    budget cap interval term status version title author responsibility notice basis reasons rule
    total share ceiling allowance surcharge discount premium contraindication effect risk benefit
    alternative timeline timeframe target result recipient signatory sponsor approval retention
    time place venue number fallback escalation step evidence"""
)


MODIFIERS = RELATIONAL | stems(
    """normal usual standard exact current legal main key next first last total annual monthly daily
    overall statutory regulatory default relevant applicable any other effective review warning side
    adverse contact e-mail phone telephone earliest latest late early special additional internal
    external final initial possible responsible"""
)
_PREDICATES = listed(
    """due responsible possible available liable eligible mandatory necessary valid open applicable
    effective compulsory accountable subject entitled abroad online"""
)


class Sort(StrEnum):
    """What a phrase names."""

    NAME = "name"
    DATE = "date"
    IDENTIFIER = "identifier"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Phrase:
    """`question[start:end]`, a noun phrase with its determiner. `head` is the comparable form of
    its last word, `after` the preposition that stands right before it, `before` the folded
    determiner it opens with."""

    start: int
    end: int
    text: str
    head: str
    plural: bool
    sort: Sort
    after: str = ""
    before: str = ""

    @property
    def relational(self) -> bool:
        """Whether it names a side of something else ("the deadline") and needs that said."""
        return self.sort is Sort.PLAIN and self.head in RELATIONAL

    @property
    def side(self) -> bool:
        """Whether nothing in it tells what it belongs to ("the maximum penalty")."""
        words = terms(self.text)
        return self.sort is Sort.PLAIN and all(
            term.key in MODIFIERS or is_light(term.key) for term in words
        )

    @property
    def person(self) -> bool:
        """Whether it may name a person: a role, or a name of several words."""
        several = self.sort is Sort.NAME and len(self.text.split()) > 1
        return several or self.head in ROLES


@dataclass(frozen=True, slots=True)
class Word:
    """One word or mark of a question, `class_` as the phrases need it: "wh", "aux", "det", "prep",
    "conj", "pron", "adv", "verb", "mark" or "content"."""

    text: str
    start: int
    end: int
    class_: str


def _participle(word: str) -> bool:
    return word in _IRREGULAR or (
        word.endswith("ed") and len(word) > 3 and word not in _NO_PARTICIPLE
    )


def _finite(word: str) -> bool:
    """Whether it may be a verb after its subject: a base form, one with -s, or a past form."""
    singular = word.removesuffix("s")
    bases = {word, singular, word.removesuffix("es"), word.removesuffix("ies") + "y"}
    return bool(bases & _VERBS) or _participle(word)


def _closed(word: str, following: str) -> str:
    """The class of a word that a list decides, "" for any other."""
    if word in WH:
        return "wh"
    if word in AUXILIARY:
        return "aux"
    if word in _PRONOUNS and (word not in DETERMINERS or _ends_phrase(following)):
        return "pron"
    lists = (("det", DETERMINERS), ("prep", PREPOSITIONS), ("conj", CONJUNCTIONS),
             ("adv", _ADVERBS))  # fmt: skip
    for name, listed in lists:
        if word in listed:
            return name
    if not word[0].isalnum():
        return "mark"
    if word in _PREDICATES and (
        not following or following in PREPOSITIONS or not following[0].isalnum()
    ):
        return "adv"
    return "adv" if word.endswith("ly") and word not in ("family", "supply", "reply") else ""


def _ends_phrase(following: str) -> bool:
    """Whether a determiner before `following` stands alone ("who approves that?")."""
    return (
        not following
        or not following[0].isalnum()
        or following in AUXILIARY | PREPOSITIONS | CONJUNCTIONS | WH | _ADVERBS - {"most", "least"}
        or (following.endswith(("s", "ed")) and _finite(following) and following[:-1] in _VERBS)
        or following in ("apply", "mean", "happen", "take", "need", "have")
    )


class _State:
    """What has been read of a clause, as far as it decides whether the next word is its verb."""

    def __init__(self) -> None:
        self.clause("")

    def clause(self, by: str) -> None:
        self.auxiliary, self.subject, self.verb, self.by = "", False, False, by

    def is_verb(self, word: str, before: Word | None, following: str) -> bool:
        """Whether a content word is the verb of its clause, or follows "to"."""
        last = fold(before.text) if before else ""
        if last == "to":
            return word in _VERBS
        if before is not None and before.class_ in ("det", "prep"):
            return False
        if self.verb:
            return False
        if self.auxiliary in DO or self.auxiliary in MODAL:
            known = (word in _VERBS and following not in _VERBS) or (
                last in BE and _participle(word)
            )
            asks = self.by in ("who", "which", "what")
            return known and (self.subject or asks or last in BE)
        if self.auxiliary in BE or self.auxiliary in HAVE:
            ends = not following or following in PREPOSITIONS | CONJUNCTIONS | _ADVERBS
            ends = ends or not following[0].isalnum()
            if word.endswith("ing"):
                return self.subject and (ends or following in DETERMINERS)
            return _participle(word) and (
                ends or (self.subject and before is not None and before.class_ == "content")
            )
        wanted = self.by in ("who", "which", "what") or (bool(self.by) and self.subject)
        return wanted and _finite(word) and following not in _VERBS


def words_of(question: str) -> tuple[Word, ...]:
    """The words and marks of a question with their classes."""
    found: list[Word] = []
    matches = list(TOKEN.finditer(question))
    state = _State()
    for number, match in enumerate(matches):
        text = match.group()
        word = fold(text)
        following = fold(matches[number + 1].group()) if number + 1 < len(matches) else ""
        class_ = _closed(word, following) or "content"
        if word == "may" and text == "May" and found:
            class_ = "content"
        if class_ == "content" and found and fold(found[-1].text) == "how":
            class_ = "adv"  # "how fast"
        if class_ == "content":
            named = text[0].isupper() and number > 0
            if not named and state.is_verb(word, found[-1] if found else None, following):
                class_, state.verb = "verb", True
            else:
                state.subject = True
        elif word in ("and", "or"):
            state.verb = False
        elif class_ in ("mark", "conj", "wh"):
            state.clause(word if class_ != "mark" else "")
        elif class_ == "pron":
            state.subject = True
        elif class_ == "aux":
            state.auxiliary = state.auxiliary if word in ("be", "been") else word
            state.verb = False
        found.append(Word(text, match.start(), match.end(), class_))
    return tuple(found)


def is_plural(text: str) -> bool:
    """Whether the last word of a phrase is a plural, by its ending."""
    last = fold(text.split()[-1]) if text.split() else ""
    if last in _PLURALS:
        return True
    return last.endswith("s") and not last.endswith(("'s", *_SINGULAR_S)) and len(last) > 3


def named(question: str) -> tuple[Fact, ...]:
    """The names, dates, clause numbers and identifiers of a question, in order; a year counts as a
    date, a word that merely opens the question is no name."""
    year = re.compile(r"(?:19|20)\d\d")
    kept = []
    for fact in _parted(question):
        if fact.kind is FactKind.NUMBER and year.fullmatch(question[fact.start : fact.end]):
            kept.append(Fact(FactKind.DATE, fact.value, fact.start, fact.end))
        elif fact.kind in (FactKind.DATE, FactKind.IDENTIFIER) or (
            fact.kind is FactKind.NAME
            and (fact.noun != "initial" or _sure(question, fact))
            and question[max(0, fact.start - 1) : fact.start] != "-"  # the Q of "10-Q"
        ):
            kept.append(fact)
    return tuple(kept)


def _parted(question: str) -> Iterator[Fact]:
    """The facts of a question; a name that owns another is parted from it ("Intel's", "AWS")."""
    for fact in facts.extract(question):
        owner = re.match(r"[^'’]+['’]s(?=\s)", question[fact.start : fact.end])
        if fact.kind is not FactKind.NAME or owner is None:
            yield fact
            continue
        middle = fact.start + owner.end()
        value = fold(owner.group())[:-2]
        yield Fact(FactKind.NAME, value, fact.start, middle, noun=fact.noun)
        rest = question[middle : fact.end]
        start = fact.end - len(rest.lstrip())
        yield Fact(FactKind.NAME, fold(rest.strip()), start, fact.end)


def _sure(question: str, fact: Fact) -> bool:
    """Whether a capitalised word that opens the question is a name all the same."""
    text = question[fact.start : fact.end]
    if sum(letter.isupper() for letter in text) > 1 or text.endswith(("'s", "’s")):
        return True
    return fact.end >= len(question.rstrip(" ?.!")) and not _finite(fold(text))


def _sort(question: str, start: int, end: int, found: Sequence[Fact]) -> Sort:
    """What a phrase names: what its last fact does, if that ends it."""
    for fact in found:
        if fact.start < end and start < fact.end and fact.end >= end:
            return {FactKind.DATE: Sort.DATE, FactKind.IDENTIFIER: Sort.IDENTIFIER}.get(
                fact.kind, Sort.NAME
            )
    return Sort.PLAIN


def phrases(question: str) -> tuple[Phrase, ...]:
    """The noun phrases of a question, in order; "X of Y" gives two, "X and Y" one."""
    found = named(question)
    return tuple(_phrases(question, words_of(question), found))


def _phrases(question: str, words: Sequence[Word], found: Sequence[Fact]) -> Iterator[Phrase]:
    run: list[Word] = []
    prep = ""
    words = (*words, Word("", len(question), len(question), "mark"))
    for word, following in zip(words, (*words[1:], words[-1]), strict=True):
        joins = fold(word.text) in ("and", "or") and following.class_ == "content"
        within = bool(run) and run[-1].class_ == "content" and joins
        if word.class_ == "content" or (word.class_ == "det" and not run) or within:
            run.append(word)
            continue
        if any(each.class_ == "content" for each in run):
            yield _phrase(question, run, prep, found)
        run = [word] if word.class_ == "det" else []
        prep = fold(word.text) if word.class_ == "prep" else ("" if not run else prep)


def _phrase(question: str, run: Sequence[Word], prep: str, found: Sequence[Fact]) -> Phrase:
    start, end = run[0].start, run[-1].end
    determiner = fold(run[0].text) if run[0].class_ == "det" else ""
    sort = _sort(question, start, end, found)
    text = question[start:end]
    plural = is_plural(text) and sort is not Sort.NAME
    return Phrase(start, end, text, stem(run[-1].text), plural, sort, prep, determiner)
