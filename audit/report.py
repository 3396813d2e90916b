"""What a verification found, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum

from audit.verify_epochs import EpochWord, Word


class State(Enum):
    """How a log stands. A crash is TORN_TAIL or UNSEALED_TAIL, never TAMPERED."""

    OK = "OK"
    UNSEALED_TAIL = "UNSEALED_TAIL"
    TORN_TAIL = "TORN_TAIL"
    TAMPERED = "TAMPERED"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome. Sizes and counts are numbers of records unless the name says otherwise.

    `sealed`: records under the newest checkpoint that holds and whose key is believed. `root`: hex
    root over all records. `given_up_to`: the largest size among the checkpoints given from
    elsewhere that hold. `pruned`: records of which retention left only the hash; `pruned_since`:
    those of them that were removed after the newest given checkpoint; `pruned_under`: the periods
    that their removal names; `pruned_from`, `pruned_until`: when the first and the last went;
    `kept_for`: the periods within which the caller demanded that nothing is missing. `torn`: the
    WAL ends in a write that never completed. `closed`: the database file is, byte for byte, the one
    that was signed when the log was closed. `epochs`: by whose word each signing key is believed.
    `findings`: the first reasons for TAMPERED; `finding_count`: all of them.
    """

    state: State
    log_id: str = ""
    origin: str = ""
    records: int = 0
    sealed: int = 0
    root: str = ""
    stored_checkpoints: int = 0
    given_checkpoints: int = 0
    given_up_to: int = 0
    payloads: int = 0
    erased: int = 0
    pruned: int = 0
    pruned_since: int = 0
    pruned_under: tuple[str, ...] = ()
    pruned_from: str = ""
    pruned_until: str = ""
    kept_for: tuple[str, ...] = ()
    recoveries: int = 0
    clock_steps_back: int = 0
    torn: bool = False
    closed: bool = False
    epochs: tuple[EpochWord, ...] = ()
    findings: tuple[str, ...] = ()
    finding_count: int = 0

    @property
    def unsealed(self) -> int:
        """Records after the newest checkpoint that holds."""
        return self.records - self.sealed

    @property
    def exit_code(self) -> int:
        """0, or 7 if the log is not what it was."""
        return 7 if self.state is State.TAMPERED else 0

    def headline(self) -> str:
        """OK, UNSEALED_TAIL(n), TORN_TAIL(recovered) or TAMPERED."""
        if self.state is State.UNSEALED_TAIL:
            return f"UNSEALED_TAIL({self.unsealed})"
        if self.state is State.TORN_TAIL:
            return "TORN_TAIL(recovered)"
        return str(self.state.value)

    def explanation(self) -> str:
        """A paragraph: what is proven and what is not."""
        if self.state is State.TAMPERED:
            return self._tampered()
        parts = (self._proven(), self._epochs(), self._gone(), self._tail(), self._not_proven())
        return " ".join(sentence for part in parts for sentence in part)

    def _tampered(self) -> str:
        more = self.finding_count - len(self.findings)
        reasons = "; ".join(self.findings) + (f"; and {more} more" if more > 0 else "")
        return (
            f"This log is not what was recorded: {reasons}. Nothing was repaired. Keep this copy "
            "as it is and compare it with another copy and with checkpoints kept elsewhere."
        )

    def _proven(self) -> list[str]:
        if not self.sealed:
            return ["Proven: nothing yet, because no checkpoint that can be believed covers it."]
        said = [
            f"Proven: the first {self.sealed} of {self.records} records, their order and their "
            "payloads' ciphertexts are exactly those over which the log's key signed its newest "
            "checkpoint, and nothing is missing among them."
        ]
        if self.given_up_to:
            said.append(
                f"Checkpoints given from elsewhere ({self.given_checkpoints}) agree: the first "
                f"{self.given_up_to} records are unaltered even if somebody held the signing key."
            )
        if self.closed:
            said.append("The database file is bit for bit the one that was closed and signed.")
        return said

    def _epochs(self) -> list[str]:
        if len(self.epochs) < 2:
            return []
        said = []
        for word, text in (
            (Word.GIVEN, "a key that was given to this verifier"),
            (Word.HANDED_OVER, "a key that follows from a given one by signed handovers"),
            (
                Word.VOUCHED_FOR,
                "a key older than any that was given, for which only the checkpoints of a later "
                "key vouch",
            ),
            (Word.UNKNOWN, "a key for which nobody vouches"),
        ):
            numbers = [epoch.number for epoch in self.epochs if epoch.word == word.value]
            if numbers:
                said.append(f"{_epochs_named(numbers)} by {text}.")
        return ["The key changed: " + " ".join(said)]

    def _gone(self) -> list[str]:
        said = []
        if self.erased:
            said.append(f"{self.erased} erasures of payloads are recorded; their proofs hold.")
        if self.pruned:
            said.append(
                f"{self.pruned} records were removed by retention, as other records say, from "
                f"{self.pruned_from[:10]} to {self.pruned_until[:10]} (UTC) and for the periods "
                f"{', '.join(self.pruned_under)}: of these it is proven only that a record with "
                "this hash stood at this place."
            )
            said.append(self._by_age())
        if self.pruned_since:
            said.append(
                f"{self.pruned_since} of them stand before the newest checkpoint given from "
                "elsewhere and were removed after it, which somebody who holds the signing key "
                "could have ordered."
            )
        return said

    def _by_age(self) -> str:
        if self.kept_for:
            return (
                f"As far as the records before them tell, none was younger than "
                f"{', '.join(self.kept_for)} when it was removed."
            )
        return (
            "As far as the records before them tell, each was past the periods that its removal "
            "names; whether these are the right ones, `cloister-verify --kept-for` checks."
        )

    def _tail(self) -> list[str]:
        said = []
        if self.torn or self.state is State.TORN_TAIL:
            said.append(
                "The log once stopped in the middle of its work; SQLite recovered it to the last "
                "complete transaction, which is what a crash leaves and no sign of alteration."
            )
        if self.unsealed:
            said.append(
                f"The last {self.unsealed} records are not sealed yet: they are chained, but "
                "whoever can write the file could have cut them off or replaced them."
            )
        return said

    def _not_proven(self) -> list[str]:
        if self.given_up_to:
            rewritten = f"that the records from number {self.given_up_to} on were not rewritten"
        else:
            rewritten = (
                "since no checkpoint from elsewhere was given, that the log was not cut back to an "
                "earlier checkpoint, nor as a whole rewritten"
            )
        said = [
            f"Not proven: {rewritten} by somebody who holds the signing key (keep checkpoints off "
            "this machine); that everything that happened was recorded; that the clock was right; "
            "that an erased payload survives in no backup."
        ]
        if self.clock_steps_back:
            said.append(f"The clock went backwards {self.clock_steps_back} times.")
        return said

    def as_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`."""
        values = asdict(self)
        values.update(
            state=self.state.value,
            headline=self.headline(),
            unsealed=self.unsealed,
            epochs=[asdict(epoch) for epoch in self.epochs],
            findings=list(self.findings),
            explanation=self.explanation(),
        )
        return values


def _epochs_named(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"epoch {numbers[0]} is signed"
    return f"epochs {', '.join(map(str, numbers))} are signed"
