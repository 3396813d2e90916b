"""Stand-ins for an evaluation of answers: questions, and runs whose outcome is known by number."""

from __future__ import annotations

from dataclasses import dataclass

from assistant.answer_outcome import AnswerRun, Case, Gold, Judgement, Shown


@dataclass(frozen=True, slots=True)
class Questions:
    """A set, as the report needs it."""

    name: str
    digest: str
    cases: tuple[Case, ...]


def questions(answerable: int, unanswerable: int, hostile: str = "") -> Questions:
    """Questions q0, q1, ...: first those that the documents answer."""
    cases = [
        Case(
            f"q{n}",
            f"How long must the records of case {n} be kept after the contract has ended?{hostile}",
            (f"{n % 7 + 2} years{hostile}",) if n < answerable else (),
            (Gold(f"policies/retention-{n % 9}{hostile}.pdf", f"{n % 7 + 2} years", n % 5 + 1),)
            if n < answerable
            else (),
        )
        for n in range(answerable + unanswerable)
    ]
    return Questions(f"retention policies{hostile}", "a" * 64, tuple(cases))


def run(
    of: Questions,
    name: str,
    *,
    refuse: int,
    wrong: int,
    invented: int = 0,
    seconds: float = 1.0,
    hostile: str = "",
    joules: float | None = None,
) -> AnswerRun:
    """Of the answerable questions every `refuse`th is refused and every `wrong`th of the others
    wrong; of the unanswerable every `wrong`th is answered. Every `invented`th shown answer has a
    number without support (0: none). A question takes `seconds` and a hundredth more each."""
    pairs = [_one(of.cases[n], n, refuse, wrong, invented, hostile) for n in range(len(of.cases))]
    shown = tuple(
        Shown(
            each.id,
            verdict,
            text,
            ((text, (1,)),) if text else (),
            ((f"policies/retention{hostile}.pdf", 2, f"{text} Quoted.{hostile}"),) if text else (),
            ("UNSUPPORTED_NUMBER",) if number % 3 == 0 else (),
            seconds + number / 100,
            {"search": 0.1},
            700 + number,
            40,
            joules,
            f"record-{number}",
        )
        for number, (each, (verdict, text, _)) in enumerate(zip(of.cases, pairs, strict=True))
    )
    judged = tuple(each for _, _, each in pairs)
    settings = {"passages": 10, "seed": 42, "note": hostile}
    return AnswerRun(f"{name}{hostile}", f"{name} sha256 {'b' * 64}", "answer-1 394d879e", settings,
                     shown, judged)  # fmt: skip


def _one(
    case: Case, number: int, refuse: int, wrong: int, invented: int, hostile: str
) -> tuple[str, str, Judgement]:
    refused = number % refuse == 0 if case.answerable else number % wrong != 0
    bad = not refused and (number % wrong == 0)
    right = refused != case.answerable and not bad
    extra = bool(invented) and not refused and number % invented == 0
    text = "" if refused else f"They are kept for {99 if bad else number % 7 + 2} years.{hostile}"
    cited = None if not case.answerable else not refused and not bad
    judged = Judgement(
        case.id,
        case.answerable,
        refused,
        correct=right,
        wrong_shown=bad,
        cited_gold=cited,
        citation_precision=None if refused or cited is None else float(cited),
        citation_recall=None if cited is None else float(cited),
        unsupported=(f"number: 99{hostile}", "word: forever") if extra else (),
        unsupported_sentences=int(extra),
        unsupported_facts=int(extra),
    )
    return ("ABSTAINED" if refused else "QUOTED" if number % 2 else "ANSWERED"), text, judged
