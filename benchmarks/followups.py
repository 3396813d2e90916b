"""Follow-ups made whole: what is kept, what is right, and what is carried where nothing should be.

    python benchmarks/followups.py [--data FOLDER] [--model N] [--json]

Three kinds of conversations. Written by hand (`followup_cases.py`), with what the completed
question must and must not hold. Generated from real questions below FOLDER, if it is named: those
of `sec-10-q` that name a company, asked anew for another company or quarter, and those of
`policyqa` asked of another policy. And pairs of real questions that have nothing to do with each
other (`clapnq`, `obliqa`), where nothing may be carried.

Beside the rules, in the same run: the last question put behind the new one, and, for N of the
conversations by hand, the default model rewriting every follow-up, with and without the check that
`assistant.followup` puts its text to. Ends with 1 if a floor is missed.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from followup_cases import Case, cases

from assistant import rewriting
from assistant.answer import Turn
from assistant.followup import Understood, accepted, conversation, understand
from assistant.phrases import named

RETAINED, RIGHT, FALSE = 1.0, 0.9, 0.03  # at least, at least, at most
COMPANIES = {"AAPL": "Apple", "MSFT": "Microsoft", "NVDA": "NVIDIA", "INTC": "Intel",
             "AMZN": "Amazon"}  # fmt: skip
_QUARTER = re.compile(r"\bQ[1-4] 20\d\d\b")
_BEFORE = 3  # unrelated questions before one that stands alone
SEED = 20_261_121

Completer = Callable[[str, tuple[Turn, ...]], Understood]


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of one way over one kind of conversations; None where there is nothing to judge."""

    conversations: int
    retained: float | None
    right: float | None
    false: float | None


def turns(questions: Sequence[str]) -> tuple[Turn, ...]:
    """A history of questions whose answers do not matter."""
    return tuple(Turn(each, "...") for each in questions)


def by_rules(text: str, history: tuple[Turn, ...]) -> Understood:
    """As the product does it without a model."""
    return understand(text, history)


def concatenated(text: str, history: tuple[Turn, ...]) -> Understood:
    """The alternative that needs no rules: the last question behind the new one."""
    return Understood(f"{text} ({history[-1].question})", "rules")


def _names(case: Case) -> tuple[str, ...]:
    """What of `must` is a name, a date or a number in the conversation."""
    said = " ".join((*case.earlier, case.text))
    found = {said[fact.start : fact.end].lower() for fact in named(said)}
    return tuple(
        each
        for each in case.must
        if any(each in name or name in each for name in found) or re.search(r"\d", each)
    )


def _judge(asked: Sequence[Case], complete: Completer, show: bool = False) -> Figures:
    names = kept = whole = right = alone = false = 0
    for case in asked:
        made = complete(case.text, turns(case.earlier))
        text = made.text.lower()
        if case.alone:
            alone += 1
            false += made.how != "as asked"
            if show and made.how != "as asked":
                print(f"  FALSE {case.earlier[-1]} >> {case.text} => {made.text}", file=sys.stderr)
            continue
        wanted = _names(case)
        names += len(wanted)
        kept += sum(each in text for each in wanted)
        whole += 1
        good = all(e in text for e in case.must) and not any(e in text for e in case.must_not)
        right += good
        if show and not good:
            print(f"  {' / '.join(case.earlier)} >> {case.text} => {made.text}", file=sys.stderr)
    return Figures(
        len(asked),
        kept / names if names else None,
        right / whole if whole else None,
        false / alone if alone else None,
    )


def of_reports(folder: Path) -> Iterator[Case]:
    """Questions on quarterly reports, asked anew for another company, or another quarter."""
    path = folder / "sec-10-q" / "qna_data.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        questions = dict.fromkeys(row["Question"].strip() for row in csv.DictReader(file))
    names = list(COMPANIES.values())
    for number, question in enumerate(questions):
        told = [name for name in names if name in question]
        quarters = _QUARTER.findall(question)
        if len(told) != 1:
            continue
        other = names[(names.index(told[0]) + 1 + number % 4) % 5]
        kept = tuple(each.lower() for each in dict.fromkeys(quarters))
        rest = tuple(w.lower() for w in re.findall(r"\b[a-z]{7,}", question))[:4]
        ways = (f"And {other}?", f"What about {other}?", f"And for {other}?", f"How about {other}?")
        yield Case(
            (question,), ways[number % 4], (other.lower(), *kept, *rest), (told[0].lower(),), False
        )
        if len(set(quarters)) == 1:
            new = "Q2 2022" if quarters[0] != "Q2 2022" else "Q4 2022"
            asked = (f"And in {new}?", f"What about {new}?")[number % 2]
            must = (told[0].lower(), new.lower(), *rest)
            yield Case((question,), asked, must, (quarters[0].lower(),), False)


def of_policies(folder: Path) -> Iterator[Case]:
    """Questions on privacy policies, asked of one and then of another."""
    data = json.loads((folder / "policyqa" / "dev.json").read_text(encoding="utf-8"))["data"]
    titles = [policy["title"] for policy in data]
    sites = [re.sub(r"^(?:\d+_)?(?:www\.)?", "", each).split(".")[0] for each in titles]
    questions: dict[str, None] = {}
    for policy in data:
        for paragraph in policy["paragraphs"]:
            for each in paragraph["qas"]:
                if each["question"].count("?") == 1 and each["question"].endswith("?"):
                    questions.setdefault(each["question"].strip())
    drawn = random.Random(SEED).sample(list(questions), 200)
    for number, question in enumerate(drawn):
        one, two = sites[number % len(sites)], sites[(number + 1) % len(sites)]
        first = f"Under the policy of {one.title()}, {question[0].lower()}{question[1:]}"
        rest = tuple(w.lower() for w in re.findall(r"\b[a-z]{7,}", question))[:4]
        asked = (f"And {two.title()}?", f"What about that of {two.title()}?")[number % 2]
        yield Case((first,), asked, (two.lower(), *rest), (one.lower(),), False)


def unrelated(folder: Path) -> Iterator[tuple[str, list[Case]]]:
    """Each set's questions in a drawn order, each after `_BEFORE` others."""
    sets = {
        "clapnq": ("clapnq/answerable.jsonl", "input"),
        "clapnq, unanswerable": ("clapnq/unanswerable.jsonl", "input"),
        "obliqa": ("obliqa/queries.jsonl", "text"),
    }
    for name, (path, key) in sets.items():
        lines = (folder / path).read_text(encoding="utf-8").splitlines()
        questions = [json.loads(line)[key] for line in lines]
        random.Random(SEED).shuffle(questions)
        yield (
            name,
            [
                Case(tuple(questions[at - _BEFORE : at]), questions[at], (), (), True)
                for at in range(_BEFORE, len(questions))
            ],
        )


def of_model(asked: Sequence[Case]) -> dict[str, Figures]:
    """The default model rewriting each of `asked`: as it stands, checked, and after the rules."""
    from assistant.llamacpp import LlamaCpp
    from assistant.shelf import default_model

    model = LlamaCpp(default_model())
    try:
        write = rewriting.by_model(model)
        written: dict[tuple[str, tuple[str, ...]], str] = {}

        def raw(text: str, history: tuple[Turn, ...]) -> Understood:
            before = tuple(turn.question for turn in reversed(history))
            made = written.setdefault((text, before), write(conversation(text, before)).strip())
            return Understood(made, "as asked" if made == text else "model")

        def checked(text: str, history: tuple[Turn, ...]) -> Understood:
            before = tuple(turn.question for turn in reversed(history))
            made = accepted(raw(text, history).text, text, before)
            return replace(Understood(made, "model")) if made else Understood(text, "as asked")

        def together(text: str, history: tuple[Turn, ...]) -> Understood:
            return understand(text, history, write)

        ways: dict[str, Completer] = {
            "model always": raw,
            "model, checked": checked,
            "rules, then model": together,
            "rules": by_rules,
        }
        return {name: _judge(asked, way) for name, way in ways.items()}
    finally:
        model.close()


def measure(data: Path | None, model: int, show: bool) -> dict[str, dict[str, Figures]]:
    """Figures by kind of conversation and way."""
    by_hand = list(cases())
    sets: dict[str, list[Case]] = {"by hand": by_hand}
    if data is not None:
        sets |= {"sec-10-q": list(of_reports(data)), "policyqa": list(of_policies(data))}
        sets |= dict(unrelated(data))
    found = {
        name: {"rules": _judge(asked, by_rules, show), "last question": _judge(asked, concatenated)}
        for name, asked in sets.items()
    }
    if model:
        drawn = random.Random(SEED).sample(by_hand, min(model, len(by_hand)))
        found[f"by hand, {len(drawn)} drawn"] = of_model(drawn)
    return found


def _faults(found: dict[str, dict[str, Figures]]) -> list[str]:
    faults = []
    for name, ways in found.items():
        rules = ways.get("rules")
        if rules is None or "drawn" in name:
            continue
        if rules.retained is not None and rules.retained < RETAINED:
            faults.append(f"{name}: retained {rules.retained:.3f} is under {RETAINED}")
        if rules.right is not None and rules.right < RIGHT:
            faults.append(f"{name}: right {rules.right:.3f} is under {RIGHT}")
        if rules.false is not None and rules.false > FALSE:
            faults.append(f"{name}: false carrying {rules.false:.3f} is over {FALSE}")
    return faults


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with sec-10-q, policyqa, clapnq, obliqa")
    parser.add_argument("--model", type=int, default=0, help="ask the default model for so many")
    parser.add_argument("--show", action="store_true", help="print what is not right to stderr")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.data, options.model, options.show)
    if options.json:
        plain = {
            name: {way: [f.conversations, f.retained, f.right, f.false] for way, f in ways.items()}
            for name, ways in found.items()
        }
        print(json.dumps(plain))
    else:
        print(f"{'conversations':28} {'way':20} {'n':>5} retained right false")
        for name, ways in found.items():
            for way, f in ways.items():
                shares = "   ".join(map(_share, (f.retained, f.right, f.false)))
                print(f"{name:28} {way:20} {f.conversations:5} {shares}")
    faults = _faults(found)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
