"""`cloister audit reconcile`: the log compared with what can be counted without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ui import terminal
from ui.context import shared
from ui.options import Json

if TYPE_CHECKING:
    from audit.ports import AuditLog
    from audit.reconcile import OpenQuestions
    from audit.record import Actor
    from audit.versions import VersionBalance

NAMED = 20  # of each kind of difference


def register(app: typer.Typer) -> None:
    """Add the command to `cloister audit`."""
    app.command("reconcile")(reconcile)


def reconcile(context: typer.Context, json: Json = False) -> None:
    """Compare the log with the catalogue and questions with their ends; record the outcome.

    Ends with 7 if something is there without its record, or the other way round.
    """
    from audit.reconcile import reconciled
    from ui import composition, failures
    from ui.cli_audit import require_log

    home = shared(context).home
    require_log(home)
    actor = composition.actor_of(composition.terminal_asker())
    with composition.log(home) as log:
        versions, questions = compared(home, log, actor)
        log.append(reconciled(actor, versions=versions, questions=questions))
    if json:
        terminal.say_json(as_json(versions, questions))
    else:
        _show(versions, questions)
    if not (versions.balanced and questions.balanced):
        raise typer.Exit(failures.AUDIT_LOG)


def compared(home: Path, log: AuditLog, actor: Actor) -> tuple[VersionBalance, OpenQuestions]:
    """The catalogue of `home` beside the records of `log`, and its questions beside their ends.

    The records are read after the catalogue; what the newest of them intend or say explains the
    differences that a run under way makes. Raises IndexFailure, AuditError.
    """
    from audit.reconcile import open_questions
    from audit.versions import compare_versions, standing_versions

    since = log.size()
    held = catalogue_versions(home, log, actor)
    ingested = (each for each in log.scan() if each.type.startswith("ingest."))
    versions = standing_versions(ingested, since)
    kinds = ("question.", "answer.", "log.")
    questions = open_questions(each for each in log.scan() if each.type.startswith(kinds))
    return compare_versions(versions, held, len(log.pruned())), questions


def catalogue_versions(home: Path, log: AuditLog, actor: Actor) -> frozenset[tuple[str, str]]:
    """Collection and document id of every version in the catalogue, old ones and drafts, too.

    Asked of the catalogue through ingestion, which reads no record for it. Raises IndexFailure.
    """

    from ingest.compose import open_ingestor

    with open_ingestor(home, log, actor) as ingestor:
        return frozenset(
            (each.name, document.id)
            for each in ingestor.status().collections
            for document in ingestor.list(each.name, every=True)
        )


def as_json(versions: VersionBalance, questions: OpenQuestions) -> dict[str, object]:
    """What `--json` prints. The keys are an interface."""
    return {
        "balanced": versions.balanced and questions.balanced,
        "versions": {
            "recorded": versions.recorded,
            "observed": versions.observed,
            "unrecorded": [_pair(each) for each in versions.unrecorded],
            "missing": [_pair(each) for each in versions.missing],
            "pending": versions.pending,
            "pruned": versions.pruned,
        },
        "questions": {
            "received": questions.received,
            "underway": questions.underway,
            "interrupted": questions.interrupted,
            "unended": list(questions.unended),
        },
    }


def _pair(version: tuple[str, str]) -> dict[str, str]:
    return {"collection": version[0], "document": version[1]}


def _show(versions: VersionBalance, questions: OpenQuestions) -> None:
    lines = [
        f"Versions of documents: {versions.observed} in the catalogue, {versions.recorded} by the "
        "records.",
        f"Questions: {questions.received} received, {len(questions.unended)} without an end that "
        "nothing explains.",
    ]
    for number, what in (
        (versions.pending, "differences of a run that is under way or was cut off"),
        (versions.pruned, "versions whose records retention has pruned"),
        (questions.underway, "questions under way"),
        (questions.interrupted, "questions cut off by a crash"),
    ):
        if number:
            lines.append(f"Explained: {number} {what}.")
    lines += [f"NOT RECORDED: {_named(each)}." for each in versions.unrecorded[:NAMED]]
    lines += [f"NOT IN THE CATALOGUE: {_named(each)}." for each in versions.missing[:NAMED]]
    lines += [f"NO END: request {each}." for each in questions.unended[:NAMED]]
    lines.append("Balanced." if versions.balanced and questions.balanced else "NOT balanced.")
    for line in lines:
        typer.echo(terminal.visible(line))


def _named(version: tuple[str, str]) -> str:
    return f"document {version[1]} in {version[0]}"
