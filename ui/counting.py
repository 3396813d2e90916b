"""What goes to readers, counted as it passes, for comparison with the log.

`audit.reconcile` compares the counts with what the log acknowledged to this process: every hour and
at its end in a server, so that a path on which something is shown unrecorded does not stay unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

from assistant.answer import Answer, Event, Released, Verdict
from audit.tally import ANSWERS_SHOWN, PROCESS, QUESTIONS, SENTENCES_SHOWN

if TYPE_CHECKING:
    from audit.ports import AuditLog

SECONDS = 3600.0  # between two comparisons
_NO_ANSWER = (Verdict.REFUSED, Verdict.FAILED)


def counted(steps: Iterator[Event]) -> Generator[Event, None, None]:
    """The steps of a question, unchanged; closing this closes them."""
    with PROCESS.underway(QUESTIONS):
        try:
            for step in steps:
                if isinstance(step, Released):
                    PROCESS.add(SENTENCES_SHOWN)
                elif isinstance(step, Answer) and step.verdict not in _NO_ANSWER:
                    PROCESS.add(ANSWERS_SHOWN)
                yield step
        finally:
            close = getattr(steps, "close", None)
            if close is not None:
                close()


def reconcile(log: AuditLog, complain: Callable[[str], None]) -> None:
    """Compare, record `audit.reconciled`, complain of what does not balance. Raises AuditError."""
    from audit.reconcile import reconcile_process
    from audit.record import SYSTEM

    for each in reconcile_process(log, SYSTEM, PROCESS):
        if not each.balanced:
            complain(
                f"The log and what this program did do not agree ({each.text()}); keep the log, "
                "run `cloister audit reconcile` and look for what was not recorded."
            )
