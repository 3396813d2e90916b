"""The verifier as a command of its own: `cloister-verify`, or `python -m audit.verifier_cli`.

    cloister-verify LOGDIR --key PUB [--key PUB] [--checkpoint FILE-OR-FOLDER ...]
                           [--kept-for PERIOD ...] [--json]
    cloister-verify --export FILE --key PUB [--json]
    cloister-verify --proof FILE --key PUB [--json]

LOGDIR is the folder with log.db; PUB a `.pub` file or its line of text; FILE-OR-FOLDER a checkpoint
that was kept elsewhere, or a folder of them (`*.note`); PERIOD such as 6y, 183d or hipaa: what was
younger when retention removed it counts as tampering. Ends with 0 (OK, UNSEALED_TAIL, TORN_TAIL),
2 (usage) or 7 (TAMPERED, or unusable input). It needs the packages `audit` and `cryptography`, and
no network.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from audit.checkpoint import MAX_NOTE_BYTES, VerifierKey, parse_verifier_key
from audit.errors import AuditError, CheckpointError, LogUnreadableError, SettingsError
from audit.export import ExportSummary, verify_export
from audit.keys import read_verifier_key
from audit.periods import Profile, parse_kept
from audit.proof import MAX_PROOF_BYTES, ProvenRecord, verify_proof
from audit.snapshot import read_small
from audit.verify import verify_log

_SIGNED_BY_KEY = (
    "Not proven: that somebody who holds the signing key did not make this up, which a checkpoint "
    "kept elsewhere would show; that it was still the key in force; "
)


def run() -> NoReturn:
    """The command `cloister-verify`: ends the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a record may hold any character
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    given = [each for each in (chosen.folder, chosen.export, chosen.proof) if each is not None]
    if len(given) != 1:
        parser.error("give one of LOGDIR, --export FILE and --proof FILE")
    if (chosen.checkpoint or chosen.kept_for) and chosen.folder is None:
        parser.error("--checkpoint and --kept-for go with LOGDIR")
    try:
        kept = [each for text in chosen.kept_for for each in parse_kept(text, "--kept-for")]
    except SettingsError as error:
        parser.error(str(error))
    try:
        keys = [_key(text) for text in chosen.key]
        if chosen.export is not None:
            return _say_export(verify_export(chosen.export, keys), chosen.json)
        if chosen.proof is not None:
            return _say_proof(verify_proof(_read(chosen.proof, MAX_PROOF_BYTES), keys), chosen.json)
        return _verify_log(chosen.folder, keys, chosen.checkpoint, kept, chosen.json)
    except AuditError as error:
        print(f"error: {_visible(str(error))}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cloister-verify",
        description="Verify an audit log, an export of one, or the proof of one record. "
        "Reads only; repairs nothing.",
    )
    parser.add_argument("folder", metavar="LOGDIR", nargs="?", type=Path, help="holds log.db")
    parser.add_argument(
        "--key",
        action="append",
        required=True,
        metavar="PUB",
        help="public key: a .pub file or its text; may be repeated",
    )
    parser.add_argument(
        "--checkpoint",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="FILE",
        help="kept elsewhere; a folder stands for the *.note files in it",
    )
    parser.add_argument(
        "--kept-for",
        action="append",
        default=[],
        metavar="PERIOD",
        help="how long records must be kept (6y, 183d, hipaa); may be repeated, the longest counts",
    )
    parser.add_argument("--export", type=Path, metavar="FILE", help="verify an export instead")
    parser.add_argument("--proof", type=Path, metavar="FILE", help="verify a single proof instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _key(text: str) -> VerifierKey:
    try:
        is_file = Path(text).is_file()
    except (OSError, ValueError):  # too long for a name: a text, then
        is_file = False
    return read_verifier_key(Path(text)) if is_file else parse_verifier_key(text)


def _read(path: Path, limit: int) -> bytes:
    try:
        return read_small(path, limit)
    except FileNotFoundError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error


def _notes(places: Sequence[Path], keys: Sequence[VerifierKey]) -> list[tuple[str, bytes]]:
    """Every given checkpoint; of a folder those of this log, as other logs may anchor there too."""
    origins = {key.name.encode() for key in keys}
    found = []
    for place in places:
        if not place.is_dir():
            found.append((str(place), _read(place, MAX_NOTE_BYTES)))
            continue
        names = sorted(_listed(place))
        notes = [(str(path), _read(path, MAX_NOTE_BYTES)) for path in names]
        own = [(name, note) for name, note in notes if note.split(b"\n", 1)[0] in origins]
        if not own:
            raise CheckpointError(f"{place} holds no checkpoint (*.note) of the log of these keys")
        found += own
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix == ".note"]
    except OSError as error:
        raise LogUnreadableError(folder, error.strerror or str(error)) from error


def _verify_log(
    folder: Path,
    keys: Sequence[VerifierKey],
    checkpoints: Sequence[Path],
    kept: Sequence[Profile],
    as_json: bool,
) -> int:
    report = verify_log(folder, keys, _notes(checkpoints, keys), kept_for=kept)
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        print(report.headline())
        print(_visible(report.explanation()))
    return report.exit_code


def _say_export(summary: ExportSummary, as_json: bool) -> int:
    explained = (
        f"Proven: records {summary.first} to {summary.last} ({summary.count}) stand in the log "
        f"{summary.origin} at exactly these places under its signed checkpoint of "
        f"{summary.size} records. "
    )
    if summary.pruned:
        explained += (
            f"Of {summary.pruned} of them, which retention removed, only that a record with this "
            "hash stood there. "
        )
    explained += f"{_SIGNED_BY_KEY}anything about records outside that range."
    _say({"state": "OK", **summary.as_json()}, explained, as_json)
    return 0


def _say_proof(proven: ProvenRecord, as_json: bool) -> int:
    explained = (
        f"Proven: this is, byte for byte, record {proven.seq} of the log "
        f"{proven.checkpoint.origin} under its checkpoint of {proven.checkpoint.size} records, "
        f"signed by the key {proven.key_id}. {_SIGNED_BY_KEY}anything about other records; what "
        "its payload said, of which it names the digest only."
    )
    envelope = json.dumps(proven.envelope, ensure_ascii=False, indent=1)
    _say({"state": "OK", **proven.as_json()}, f"{explained}\n{_visible(envelope)}", as_json)
    return 0


def _say(values: dict[str, object], explained: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**values, "explanation": explained.split("\n")[0]}))
    else:
        print("OK")
        print(explained)


def _visible(text: str) -> str:
    """Text from a log or a path, with what a terminal would obey or not show written as escapes."""
    return "".join(
        each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text
    )


if __name__ == "__main__":
    run()
