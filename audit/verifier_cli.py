"""The verifier as a command of its own.

    python -m audit.verifier_cli LOGDIR --key PUB [--key PUB] [--checkpoint FILE ...] [--json]
    python -m audit.verifier_cli --export FILE --key PUB [--json]

LOGDIR is the folder with log.db; PUB a `.pub` file or its line of text; FILE a checkpoint that was
kept elsewhere. Ends with 0 (OK, UNSEALED_TAIL, TORN_TAIL), 2 (usage) or 7 (TAMPERED, or unusable
input). It needs the packages `audit` and `cryptography`, and no network.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from audit.checkpoint import VerifierKey, parse_verifier_key
from audit.errors import AuditError, LogUnreadableError
from audit.export import verify_export
from audit.keys import read_verifier_key
from audit.verify import verify_log


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if (chosen.folder is None) == (chosen.export is None):
        parser.error("give either LOGDIR or --export FILE")
    try:
        keys = [_key(text) for text in chosen.key]
        if chosen.export is not None:
            return _verify_export(chosen.export, keys, chosen.json)
        return _verify_log(chosen.folder, keys, chosen.checkpoint, chosen.json)
    except AuditError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m audit.verifier_cli",
        description="Verify an audit log or an export of one. Reads only; repairs nothing.",
    )
    parser.add_argument("folder", metavar="LOGDIR", nargs="?", type=Path, help="holds log.db")
    parser.add_argument(
        "--key", action="append", required=True, help="public key: a .pub file or its text"
    )
    parser.add_argument(
        "--checkpoint", nargs="+", action="extend", default=[], type=Path, help="kept elsewhere"
    )
    parser.add_argument("--export", type=Path, metavar="FILE", help="verify an export instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _key(text: str) -> VerifierKey:
    path = Path(text)
    return read_verifier_key(path) if path.is_file() else parse_verifier_key(text)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error


def _verify_log(
    folder: Path, keys: Sequence[VerifierKey], checkpoints: Sequence[Path], as_json: bool
) -> int:
    report = verify_log(folder, keys, [(str(path), _read(path)) for path in checkpoints])
    if as_json:
        print(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        print(report.headline())
        print(report.explanation())
    return report.exit_code


def _verify_export(path: Path, keys: Sequence[VerifierKey], as_json: bool) -> int:
    summary = verify_export(path, keys)
    if as_json:
        print(json.dumps(summary.as_json()))
    else:
        print("OK")
        print(
            f"Proven: records {summary.first} to {summary.last} ({summary.count}) stand in the log "
            f"{summary.origin} at exactly these places under its signed checkpoint of "
            f"{summary.size} records. Not proven: anything about records outside that range."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
