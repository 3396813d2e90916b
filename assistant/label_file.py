"""Labels as a person lists them in a file. Pure; what cannot be used is refused in one sentence."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass

from assistant.errors import LabelsUnusable
from assistant.sentences import one_line

MOST_LABELS = 50
LONGEST = 65_536  # characters of a file of labels
_LONGEST_NAME, _LONGEST_DESCRIPTION = 80, 500


@dataclass(frozen=True, slots=True)
class Label:
    """A label as its file gives it; the description says in a sentence what it stands for."""

    name: str
    description: str = ""

    @property
    def text(self) -> str:
        """What is compared with documents."""
        return f"{self.name}: {self.description}" if self.description else self.name


def parse_labels(text: str, *, toml: bool = False) -> tuple[Label, ...]:
    """The labels of a file: JSON `[{"label": ..., "description": ...}]`, or TOML with a table
    `[[labels]]` for each. Raises LabelsUnusable."""
    if len(text) > LONGEST:
        raise LabelsUnusable(f"it is longer than {LONGEST} characters")
    try:
        found = tomllib.loads(text).get("labels") if toml else json.loads(text)
    except (ValueError, RecursionError):
        raise LabelsUnusable(f"it is not {'TOML' if toml else 'JSON'}") from None
    if not isinstance(found, list) or not 0 < len(found) <= MOST_LABELS:
        raise LabelsUnusable(f"it must list 1 to {MOST_LABELS} labels")
    labels = tuple(_label(number, each) for number, each in enumerate(found, start=1))
    if len({label.name.casefold() for label in labels}) < len(labels):
        raise LabelsUnusable("two labels have the same name")
    return labels


def _label(number: int, given: object) -> Label:
    if not isinstance(given, dict) or not set(given) <= {"label", "description"}:
        raise LabelsUnusable(f"entry {number} must have label and description, and nothing else")
    name, description = given.get("label"), given.get("description", "")
    if not isinstance(name, str) or not isinstance(description, str):
        raise LabelsUnusable(f"label and description of entry {number} must be texts")
    name, description = one_line(name), one_line(description)
    if not name or len(name) > _LONGEST_NAME or len(description) > _LONGEST_DESCRIPTION:
        raise LabelsUnusable(
            f"entry {number} needs a label of 1 to {_LONGEST_NAME} and a description of at most "
            f"{_LONGEST_DESCRIPTION} characters"
        )
    return Label(name, description)
