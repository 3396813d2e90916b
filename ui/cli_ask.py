"""`cloister search` and `cloister ask`."""

from __future__ import annotations

import json as json_format
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.answer import Answer, Citation, Conflict, Passage, Question, Verdict
from ui import failures, terminal
from ui.context import shared
from ui.errors import SomeFailed, UsageError
from ui.narrowing import ids_of
from ui.options import checked_day

if TYPE_CHECKING:
    from assistant.pipeline import Assistant, SearchReport

Text = Annotated[str | None, typer.Argument(metavar="QUESTION", help="What you want to know.")]
Queries = Annotated[
    Path | None,
    typer.Option(
        "--queries",
        metavar="FILE.jsonl",
        help='Many questions: one {"_id", "text"} a line, answered in that order; "as_of" may be '
        "there, too.",
    ),
]
In = Annotated[
    list[str] | None,
    typer.Option(
        "--collection", metavar="NAME", help="Only this collection; may be given several times."
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--document",
        metavar="SOURCE",
        help="Only this document, by source or id; may be given several times.",
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="What was in force on that day, not today."),
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object a line to stdout, nothing else.")
]


@dataclass(frozen=True, slots=True)
class Within:
    """What the questions of a command are narrowed to: collections, and documents by id."""

    collections: frozenset[str] | None = None
    documents: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A question of the command line (`id` None) or of a file; `as_of` if its line names a day."""

    text: str
    id: str | None = None
    as_of: str | None = None

    def labelled(self, result: dict[str, object]) -> dict[str, object]:
        """`result`, with the `_id` first if the question came from a file."""
        return result if self.id is None else {"_id": self.id, **result}


def search(
    context: typer.Context,
    question: Text = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many passages.")] = 10,
    collection: In = None,
    document: Only = None,
    as_of: AsOf = None,
    queries: Queries = None,
    json: Json = False,
) -> None:
    """Find the passages nearest to a question, without a language model."""
    from ui import composition, show_answer

    wanted = list(_wanted(question, queries, as_of))
    for query in wanted:
        if not query.text.strip():
            raise UsageError("The question is empty: type what you want to find.")
    with composition.assistant(shared(context).home) as assistant:
        within = _within(assistant, collection, document, as_of)
        for query in wanted:
            report = assistant.search(_question(query, within), k)
            if json:
                terminal.say_json(query.labelled(search_json(query.text, report, query.as_of)))
            else:
                show_answer.passages(terminal.out(), query.text, report.passages, query.as_of)


def ask(
    context: typer.Context,
    question: Text = None,
    collection: In = None,
    document: Only = None,
    as_of: AsOf = None,
    queries: Queries = None,
    json: Json = False,
) -> None:
    """Answer a question from the documents, with the exact place for every statement."""
    from ui import composition, notices

    wanted = list(_wanted(question, queries, as_of))
    not_answered = 0
    start = _start(context)
    with composition.assistant(shared(context).home) as assistant:
        within = _within(assistant, collection, document, as_of)
        for query in wanted:
            asked = _question(query, within)
            answer = _answered(assistant, asked, query, sweep_command(asked, start), json)
            not_answered += answer.verdict in (Verdict.REFUSED, Verdict.FAILED)
            if queries is None:
                _end_with(answer)
        if not json and (told := notices.after_asking(assistant)):
            terminal.complain(told)
    if not_answered:
        raise SomeFailed(
            f"{not_answered} of {len(wanted)} questions could not be taken or answered; "
            "their lines say why."
        )


def _answered(
    assistant: Assistant, question: Question, query: Query, command: str, json: bool
) -> Answer:
    """The answer, shown; `command` is what does as its offer says."""
    from ui import show_answer

    answer = show_answer.watched(assistant, question, terminal.err(), terminal.complain)
    if json:
        terminal.say_json(query.labelled(answer_json(answer, command)))
        return answer
    console = terminal.out()
    if query.id is not None:
        console.print(f"\n{terminal.visible(query.text)}", style="bold")
    if answer.verdict is not Verdict.REFUSED:
        show_answer.answer(console, answer, command)
    return answer


def _end_with(answer: Answer) -> None:
    """A single question that was not taken ends the command with its sentence and code."""
    sentence = answer.explanation or answer.text
    if answer.verdict is Verdict.REFUSED:
        raise UsageError(sentence)
    if answer.verdict is Verdict.FAILED:
        terminal.complain(sentence)
        raise typer.Exit(failures.INDEX_UNAVAILABLE)


def _within(
    assistant: Assistant,
    collections: list[str] | None,
    documents: list[str] | None,
    as_of: str | None,
) -> Within:
    """Raises UsageError for a document that is not there."""
    from ui import composition

    narrowed = frozenset(collections) if collections else None
    day = None if as_of is None else checked_day(as_of)
    ids = ids_of(assistant, composition.terminal_asker(), documents, narrowed, day)
    return Within(narrowed, ids)


def _question(query: Query, within: Within) -> Question:
    from ui import composition

    return Question(
        query.text,
        composition.terminal_asker(),
        collections=within.collections,
        as_of=query.as_of,
        documents=within.documents,
    )


def _start(context: typer.Context) -> tuple[str, ...]:
    """How a command line for the same data folder begins."""
    given = context.find_root().get_parameter_source("home")
    if given is None or given.name != "COMMANDLINE":
        return ("cloister",)
    return ("cloister", "--home", str(shared(context).home))


def sweep_command(question: Question, start: Sequence[str] = ("cloister",)) -> str:
    """The command line that puts the question to every document, as a POSIX shell reads it."""
    narrowed: list[str] = []
    for name in sorted(question.collections or ()):
        narrowed += ["--collection", name]
    if question.as_of is not None:
        narrowed += ["--as-of", question.as_of]
    text = " ".join(question.text.split())
    asked = ["--", text] if text.startswith("-") else [text]
    return shlex.join([*start, "sweep", *narrowed, *asked])


def _wanted(question: str | None, queries: Path | None, as_of: str | None) -> Iterator[Query]:
    """The questions; `as_of` holds for those whose line names no day of its own."""
    day = None if as_of is None else checked_day(as_of)
    if (question is None) == (queries is None):
        raise UsageError("Give either one question or --queries FILE.jsonl.")
    if question is not None:
        yield Query(question, as_of=day)
    if queries is not None:
        for query in read_queries(queries):
            yield query if query.as_of is not None else replace(query, as_of=day)


def read_queries(path: Path) -> Iterator[Query]:
    """The questions of a JSON Lines file. Raises UsageError naming file, line and what is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise UsageError(
            f"The file {path} cannot be read ({error.strerror}); check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The file {path} is not UTF-8 text; save it as UTF-8.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json_format.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"Line {number} of {path} is not JSON; correct it.") from error
        text = value.get("text") if isinstance(value, dict) else None
        if not isinstance(text, str) or not isinstance(value.get("_id"), (str, int)):
            raise UsageError(f'Line {number} of {path} needs "_id" and "text"; add them.')
        yield Query(text, str(value["_id"]), _day_of(value.get("as_of"), number, path))


def _day_of(value: object, number: int, path: Path) -> str | None:
    if value is None:
        return None
    try:
        return checked_day(value if isinstance(value, str) else repr(value))
    except UsageError as error:
        raise UsageError(
            f'Line {number} of {path} has an "as_of" that is not a day; write it as 2025-06-30.'
        ) from error


def search_json(question: str, report: SearchReport, as_of: str | None = None) -> dict[str, object]:
    """What `search --json` prints. The keys are an interface."""
    keys = ("rank", "score", "document", "source", "page", "chunk", "start", "end", "text")
    hits = [_with_warning(keys, hit) for hit in report.passages]
    day = {} if as_of is None else {"as_of": as_of}
    return {"question": question, **day, "hits": hits, "timings": dict(report.timings)}


def answer_json(answer: Answer, command: str = "") -> dict[str, object]:
    """What `ask --json` prints; `command` is what does as its offer says. The keys are an
    interface."""
    keys = ("number", "document", "source", "page", "start", "end", "quote")
    offer = answer.offer
    return {
        "verdict": answer.verdict.value,
        "text": answer.text,
        **({"as_of": answer.as_of} if answer.as_of else {}),
        "understood": answer.understood,
        "citations": [_with_warning(keys, citation) for citation in answer.citations],
        "conflicts": [conflict_json(conflict) for conflict in answer.conflicts],
        **({} if offer is None else {"offer": {**asdict(offer), "command": command}}),
        "model": answer.model,
        "record": answer.record,
        "timings": dict(answer.timings),
        "cost": asdict(answer.cost),
    }


def conflict_json(conflict: Conflict) -> dict[str, object]:
    """A conflict; `citation` is the number of the one that shows a side. The keys are an
    interface."""
    sides = [asdict(side) for side in conflict.sides]
    return {"kind": conflict.kind, "sentence": conflict.sentence, "sides": sides}


def _with_warning(keys: Sequence[str], what: Citation | Passage) -> dict[str, object]:
    """These fields of `what`, and of its warning and of when it is in force what there is."""
    found = {key: getattr(what, key) for key in keys}
    if what.warning:
        found["warning"] = what.warning
    return {**found, **{key: value for key, value in asdict(what.force).items() if value}}
