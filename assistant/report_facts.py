"""What a report tells, whatever it is written in: facts in, sentences and short lists out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.evaluate import Outcome, Run, Summary, Wanted, levels_of
from assistant.judged import JudgedSet, Kind
from assistant.ranking import Level
from assistant.statistics import DRAWS, RESAMPLES, Difference, Mean

FARTHEST = 20  # questions that a report lists
KINDS = {
    Kind.BEIR: "records of a corpus",
    Kind.DOCUMENTS: "documents of the set",
    Kind.HOME: "the data folder's own documents",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Sentences on documents that were refused; judged documents that are not in the index."""

    failed: Sequence[str] = ()
    missing: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a report is written from."""

    judged: JudgedSet
    runs: tuple[Run, ...]
    summaries: tuple[Summary, ...]
    wanted: Wanted
    trouble: Trouble
    date: str
    version: str
    machine: str

    @property
    def levels(self) -> tuple[Level, ...]:
        return levels_of(each.gold for each in self.runs[0].outcomes)

    @property
    def lead(self) -> str:
        """One sentence: what was measured and what came out."""
        k, main = self.wanted.k, self.summaries[0]
        unit = "pages" if self.levels[0] is Level.PAGE else "documents"
        if self.judged.kind is Kind.BEIR:
            unit = "records"
        found = main.means[f"success@{k}"]
        return (
            f"{main.questions:,} questions over {KINDS[self.judged.kind]}. With the configuration "
            f"{main.name}, {found.value:.1%} of them have one of the right {unit} among the first "
            f"{k}."
        )

    @property
    def reading(self) -> tuple[str, ...]:
        """How the figures are to be read."""
        return (
            "Measures are those of trec_eval, means over questions: recall@k is the share of all "
            "right places among the first k, success@k the share of questions with any of them, "
            "map and ndcg weigh by rank, mrr is one over the rank of the first right place.",
            f"Intervals hold 95 % of the means of {RESAMPLES:,} resamples of the questions; p is "
            f"from a randomization test with {DRAWS:,} random signs. Neither says anything about "
            "other documents.",
            "A latency is the wall clock of one search with its records in the log, one question "
            "at a time.",
        )


def plain(text: str) -> str:
    """`text` on one line, with a mark for each character that would steer or reorder it."""
    line = " ".join(text.split())
    return "".join(each if each.isprintable() else "\ufffd" for each in line)


def interval(mean: Mean) -> str:
    """Such as .812 [.790, .834], or that there is no gold."""
    if not mean.count:
        return "no gold"
    return f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]"


def change(difference: Difference) -> str:
    """A difference with its interval and p."""
    low, high = difference.low, difference.high
    return f"{difference.value:+.3f} [{low:+.3f}, {high:+.3f}], p {difference.p:.4f}"


def farthest(run: Run, level: Level, most: int = FARTHEST) -> list[Outcome]:
    """The questions whose gold was not found, then those where it stands lowest, from rank 2."""
    judged = [each for each in run.outcomes if each.gold[level]]
    ordered = sorted(judged, key=lambda each: -(each.gold_rank(level) or 1_000_000))
    return [each for each in ordered if each.gold_rank(level) != 1][:most]


def margins(run: Run, level: Level) -> list[tuple[float | None, float]]:
    """For each judged question the score of its best gold (None: not found) and of the best that
    is not gold; questions for which nothing else was found are left out."""
    found = []
    for each in run.outcomes:
        gold = each.gold[level]
        if not gold:
            continue
        right = [one.score for one in each.ranking[level] if gold.get(one.id, 0) > 0]
        wrong = [one.score for one in each.ranking[level] if gold.get(one.id, 0) <= 0]
        if wrong:
            found.append((max(right) if right else None, max(wrong)))
    return found
