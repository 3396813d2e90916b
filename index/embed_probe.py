"""Texts on which ways of computing vectors are compared at set-up, and how alike they find.

Made by rule from word lists that stand here, so that they are the same everywhere and need no
network: notices, duties and figures of regulated firms, in passages of one to nine sentences, many
of them about nearly the same thing, and questions about them. Half serves to measure the ranges of
values (`CALIBRATION`), the other half, with other wording, to judge (`PASSAGES`, `QUESTIONS`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from index.records import Vectors

FIRST = 10
"""How many passages are compared for each question."""

_MATTERS = (
    ("client money", "the custodian", "an unreconciled balance"),
    ("suspicious transactions", "the reporting officer", "an unusual cash deposit"),
    ("personal data", "the controller", "a lost laptop"),
    ("clinical trial records", "the sponsor", "a missing consent form"),
    ("medicine storage", "the responsible pharmacist", "a temperature above 8 °C"),
    ("liquidity", "the treasurer", "an outflow of deposits"),
    ("outsourcing", "the service owner", "the insolvency of a supplier"),
    ("conflicts of interest", "the board", "a gift worth more than 150 EUR"),
    ("complaints", "the ombudsman", "a customer who was not answered"),
    ("insider lists", "the issuer", "a leaked draft of the results"),
    ("aircraft maintenance", "the accountable manager", "a cracked turbine blade"),
    ("drinking water", "the laboratory", "coliform bacteria in a sample"),
    ("radiation protection", "the safety adviser", "a dose of 20 mSv in one year"),
    ("credit risk", "the lending committee", "a default on a mortgage"),
    ("capital adequacy", "the finance director", "a ratio below 10.5 %"),
    ("backups", "the system administrator", "a disk encrypted by an intruder"),
    ("access rights", "the line manager", "an account of somebody who has left"),
    ("export licences", "the shipping agent", "a consignment without an end-user statement"),
    ("pension contributions", "the trustee", "a late payment by the employer"),
    ("insurance claims", "the loss adjuster", "water damage to a warehouse"),
    ("food labelling", "the producer", "an undeclared allergen such as sesame"),
    ("election expenses", "the agent", "an anonymous donation"),
    ("waste disposal", "the site operator", "leaking drums of solvent"),
    ("public procurement", "the contracting authority", "a tender opened too early"),
    ("fire drills", "the warden", "a blocked stairway"),
    ("shareholder meetings", "the secretary", "a proxy without a signature"),
    ("trade repositories", "the counterparty", "a derivative reported twice"),
    ("patient identity", "the ward nurse", "two wristbands with the same number"),
    ("software releases", "the change board", "a defect found after the rollout"),
    ("token offerings", "the promoter", "a white paper without a risk warning"),
)
_STATEMENTS = (
    "{Actor} must keep all records about {matter} for at least {n} years after the end of the "
    "relationship and produce them on request within {m} business days.",
    "Where {case} is discovered, {actor} shall notify the regulator without delay and in any event "
    "no later than {m} hours after becoming aware of it.",
    "This rule on {matter} does not apply to a branch with fewer than {n} employees, unless the "
    "competent authority has decided otherwise in writing.",
    "§ {n}.{m}(b) {matter}: see also Article {m} and Annex {n}.",
    "A fine of up to USD {n}0,{m}00 may be imposed on {actor} for each breach.",
    "{Actor} reviews the policy on {matter} every {n} months; the review is signed, dated and "
    "reported to senior management.",
    "In the year ended 31 December 20{m}, expenses for {matter} were $ {n},{m}87 (prior year: "
    "$ {m},{n}41), a change of ({n}.{m})%.",
    "Training on {matter} is given to new staff in their first {n} weeks, and again whenever "
    "{case} has occurred.",
    "For the purposes of this Part, “{matter}” has the meaning given in Rule {n}.{m}.1, and "
    "“relevant person” includes {actor}.",
    "(a) identify {case}; (b) assess how likely it is; (c) record what {actor} decided; and (d) "
    "keep evidence.",
    "If {actor} cannot act, a deputy who was named beforehand decides about {matter}, provided "
    "that {case} would otherwise cause harm.",
    "Nothing in this Chapter limits the duty of {actor} to act honestly, fairly and "
    "professionally.",
    "Table {n}: {matter} | Q1 {m}.2 | Q2 {n}.9 | Q3 -{m}.4 | Q4 {n}.0 | total {m}{n}.7",
    "After {case}, work may be resumed only once {actor} and an independent person agree.",
)
_ASKED = (
    "How long does {actor} have to keep records about {matter}?",
    "What must be done when {case} is discovered?",
    "Which penalties apply to {actor} for a breach?",
    "How often is the policy on {matter} reviewed, and by whom?",
    "who trains staff on {matter}",
    "What did {matter} cost in the year, and how has that changed?",
    "Is there an exemption from the rules on {matter} for small branches?",
    "Who may allow work to go on after {case}?",
)
_LONGEST = 9  # sentences; beyond the window of the default model


def _filled(form: str, matter: tuple[str, str, str], chance: random.Random) -> str:
    subject, actor, case = matter
    words = {
        "matter": subject,
        "actor": actor,
        "Actor": actor.capitalize(),
        "case": case,
        "n": chance.randint(2, 30),
        "m": chance.randint(10, 90),
    }
    return form.format(**words)


def _passage(matter: tuple[str, str, str], count: int, chance: random.Random) -> str:
    return " ".join(_filled(form, matter, chance) for form in chance.sample(_STATEMENTS, count))


def _made(seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Passages and questions, eight and four for each matter."""
    chance = random.Random(seed)  # noqa: S311  texts, not secrets
    passages: list[str] = []
    questions: list[str] = []
    for matter in _MATTERS:
        counts = [1, 1, 1, 2, 2, 3, 4, chance.randint(5, _LONGEST)]
        passages += [_passage(matter, count, chance) for count in counts]
        questions += [_filled(form, matter, chance) for form in chance.sample(_ASKED, 4)]
    return tuple(passages), tuple(questions)


PASSAGES, QUESTIONS = _made(seed=2)
CALIBRATION = tuple(text for half in _made(seed=1) for text in half)


def overlap(
    one: tuple[Vectors, Vectors], other: tuple[Vectors, Vectors], first: int = FIRST
) -> float:
    """How much of what one embedder finds another finds too, 0 to 1.

    Each embedder is given as its vectors of the same passages and of the same questions, float32
    (texts, dimensions). For every question the sets of the `first` passages of greatest cosine are
    compared; the mean share that both have is the result.
    """
    shares = [
        len(set(mine) & set(theirs)) / first
        for mine, theirs in zip(_found(*one, first), _found(*other, first), strict=True)
    ]
    return float(np.mean(shares))


def _found(passages: Vectors, questions: Vectors, first: int) -> Sequence[Sequence[int]]:
    order = np.argsort(-(questions @ passages.T), axis=1, kind="stable")[:, :first]
    found: list[list[int]] = order.tolist()
    return found
