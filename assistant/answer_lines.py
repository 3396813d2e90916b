"""Results of an evaluation of answers, a JSON object a line, so that an hour's run survives a kill.

Each answer is written as soon as it is there. A line names in `key` everything that the answer
depends on besides its question, so that only what belongs to the same run is taken up again; lines
of other runs are left alone. The file holds questions, answers and passages: treat it like them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from assistant.answer_outcome import Case, Judgement, Shown
from assistant.errors import EvaluationSetUnusable

FORMAT = "cloister-answers-1"


def key_of(parts: Mapping[str, object]) -> str:
    """A digest of what answers depend on (configuration, model, prompt, settings, documents)."""
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]


def asked(case: Case) -> str:
    """A digest of what was asked: the question, its day and its documents."""
    return key_of({"text": case.text, "sources": case.sources, "as_of": case.as_of})


class Lines:
    """The file that answers are written to and taken up from; None: nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        """Raises EvaluationSetUnusable for a file that holds something else, OSError."""
        self._held: dict[tuple[str, str, str], Shown] = {}
        self._file: BufferedWriter | None = None
        if path is None:
            return
        end = 0
        for _, line, upto in read(path) if path.exists() else ():
            self._held[line["key"], line["case"], line["asked"]] = shown_of(line["shown"])
            end = upto
        self._file = path.open("ab")
        self._file.truncate(end)  # what a kill left of a line

    def get(self, key: str, case: Case) -> Shown | None:
        """What was shown for this case in the same run before."""
        return self._held.get((key, case.id, asked(case)))

    def put(
        self, key: str, set_: str, configuration: str, case: Case, shown: Shown, judged: Judgement
    ) -> None:
        """Write a result; it is in the file when this returns. Raises OSError."""
        if self._file is None:
            return
        line = {
            "format": FORMAT,
            "set": set_,
            "configuration": configuration,
            "key": key,
            "case": case.id,
            "asked": asked(case),
            "question": case.text,
            "form": case.form,
            "answers": list(case.answers),
            "gold": [asdict(gold) for gold in case.gold],
            "shown": asdict(shown),
            "judged": asdict(judged),
        }
        self._file.write(json.dumps(line, ensure_ascii=True).encode("ascii") + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read(path: Path) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Number, content and end (in bytes) of each whole line; one that a kill cut short at the end
    is left out.

    Raises EvaluationSetUnusable for a line that is not one of these results, OSError.
    """
    end = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if not raw.endswith(b"\n"):
                return
            end += len(raw)
            try:
                line = json.loads(raw)
                whole = line["format"] == FORMAT and bool(shown_of(line["shown"]))
                whole = whole and all(isinstance(line[k], str) for k in ("key", "case", "asked"))
            except (ValueError, KeyError, TypeError, RecursionError):
                whole = False
            if not whole:
                raise EvaluationSetUnusable(
                    f"{path}, line {number}, is no result of `cloister eval answers`; give another "
                    "file."
                )
            yield number, line, end


def shown_of(found: Mapping[str, Any]) -> Shown:
    """What was shown, out of JSON. Raises KeyError or TypeError for anything else."""
    known = dict(found)
    known["sentences"] = tuple((text, tuple(cited)) for text, cited in found["sentences"])
    for name in ("quotes", "passages"):
        known[name] = tuple((source, page, text) for source, page, text in found[name])
    known["removed"] = tuple(found["removed"])
    return Shown(**known)
