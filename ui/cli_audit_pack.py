"""`cloister audit pack`: one answer as a folder and a PDF that can be filed, and its check."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import UsageError
from ui.options import Json

if TYPE_CHECKING:
    from assistant.evidence_pack import Made
    from audit.checkpoint import VerifierKey

ALTERED = 7

Record = Annotated[
    str | None,
    typer.Argument(
        metavar="RECORD", help="Number or id of any record of the answer, or its request's id."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="A new folder.")]
WithDocuments = Annotated[
    bool, typer.Option("--with-documents", help="Put the cited documents' files in it, too.")
]
Font = Annotated[
    list[Path] | None,
    typer.Option(
        "--font",
        metavar="FILE.ttf",
        help="For scripts that the shipped font lacks, such as Chinese; may be repeated.",
    ),
]
Verify = Annotated[
    Path | None, typer.Option("--verify", metavar="FOLDER", help="Check a pack instead.")
]
Key = Annotated[
    list[str] | None,
    typer.Option(
        "--key", metavar="PUB", help="With --verify: a public key from elsewhere; a file or text."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to `cloister audit`."""
    app.command("pack")(pack)


def pack(
    context: typer.Context,
    record: Record = None,
    out: Out = None,
    with_documents: WithDocuments = False,
    font: Font = None,
    verify: Verify = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Write one answer or task as an evidence pack: a PDF, its data, its pages and its proofs.

    The pack holds the texts of these records and the keys that open them: guard it. With --verify
    a pack is checked, without a log; it ends with 7 if anything in it was changed.
    """
    if verify is not None:
        if record is not None or out is not None or with_documents:
            raise UsageError("A pack is either made or checked: --verify goes with --key, --font.")
        _verify(verify, key or [], font or [], json)
    if record is None or out is None:
        raise UsageError("Name a record and, with --out, a new folder for its pack.")
    if key:
        raise UsageError("--key goes with --verify.")
    made = _made(shared(context).home, record, out, with_documents, font or [])
    if json:
        terminal.say_json(_values(made))
    else:
        typer.echo(_told(made))


def _made(home: Path, record: str, out: Path, with_documents: bool, fonts: list[Path]) -> Made:
    from assistant import evidence_pack, pack_pages
    from audit.compose import build
    from ui import composition, pack_pdf
    from ui.cli_audit import require_log

    require_log(home)
    number = record.isascii() and record.isdigit() and len(record) < 19
    made_by = {"build": build(), **pack_pdf.made_with(fonts)}
    with composition.log(home) as log:
        return evidence_pack.make(
            log,
            composition.actor_of(composition.terminal_asker()),
            int(record) if number else record,
            out,
            lambda: pack_pages.open_shelf(home),
            partial(pack_pdf.render, fonts=fonts),
            made_by,
            with_documents=with_documents,
        )


def _values(made: Made) -> dict[str, object]:
    return {
        "folder": str(made.folder),
        "record": made.target,
        "request": made.request,
        "records": made.records,
        "erased": made.erased,
        "pages": made.pages,
        "documents": made.documents,
        "files": made.files,
        "manifest_sha256": made.manifest,
        "packed": made.record,
    }


def _told(made: Made) -> str:
    return (
        f"Wrote the pack of record {made.target} to {terminal.visible(str(made.folder))} (records: "
        f"{made.records}, erased: {made.erased}, pages: {made.pages}, files: {made.files}); its "
        f"manifest has the SHA-256 {made.manifest}. It holds the texts of these records: guard it. "
        "VERIFY.txt says how to verify it without Cloister."
    )


def _verify(folder: Path, keys: list[str], fonts: list[Path], json: bool) -> None:
    from assistant import pack_check

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; name that of a pack.")
    done = pack_check.check(folder, [_key(each) for each in keys])
    findings, note = list(done.findings), ""
    if not findings:
        pdf = _pdf(folder, fonts)
        if pdf == "differs":
            findings.append("answer.pdf does not say what answer.json says.")
        note = _PDF[pdf]
    if json:
        values = {name: getattr(done, name) for name in _SHOWN}
        values |= {"state": "ALTERED" if findings else "OK", "findings": findings, "pdf": note}
        terminal.say_json(values)
    else:
        typer.echo("ALTERED" if findings else "OK")
        for sentence in findings or (*done.sentences(), note):
            typer.echo(terminal.visible(sentence))
    raise typer.Exit(ALTERED if findings else 0)


_SHOWN = (
    "origin", "request", "size", "root", "records", "opened", "erased", "quotations", "files",
    "own_keys",
)  # fmt: skip
_PDF = {
    "same": "answer.pdf was made again from answer.json and the pages: it is the same to the byte.",
    "other": "answer.pdf was made with another version or other fonts (give them with --font); "
    "that it is the packed one its hash in the manifest shows.",
    "differs": "",
}


def _pdf(folder: Path, fonts: list[Path]) -> str:
    from assistant import evidence_pack
    from ui import pack_pdf

    return pack_pdf.compare(evidence_pack.answer_in(folder), evidence_pack.read_in(folder), fonts)


def _key(text: str) -> VerifierKey:
    from audit.checkpoint import parse_verifier_key
    from audit.keys import read_verifier_key

    path = Path(text)
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # too long for a name: a text, then
        is_file = False
    return read_verifier_key(path) if is_file else parse_verifier_key(text)
