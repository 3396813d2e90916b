"""Which prompt of each kind is in use: a shipped one, or one of the user's own.

`HOME/prompts` holds a user's own prompts, one file `NAME.toml` each, and `current.json`, which
names the one in use of each kind that was chosen, with its digest. A file whose content has another
digest than the one chosen is refused, so that what answers are written by changes only by a choice
that is in the log. It does not protect against someone who may write to `current.json` too.

Every change is told to `record` before it takes effect; if that raises, nothing has changed. A
change takes effect with one rename; changes of several processes are kept apart by a lock file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant import prompt_form, prompts
from assistant.durable import replace_file
from assistant.errors import PromptRefused, PromptUnusable
from assistant.prompt_form import KINDS, MOST_BYTES, NAME, PromptSet
from assistant.shelf_files import locked, write_object

Record = Callable[[str, Mapping[str, str | int | bool | None]], None]

FOLDER, POINTER = "prompts", "current.json"
FORMAT = 1  # of current.json
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for a kind: a name, and the digest that its content must have."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A prompt as a list shows it. `prompt` is None for a file that cannot be used, and `trouble`
    says why; it also tells of one that was altered since it was chosen."""

    name: str
    prompt: PromptSet | None
    own: bool
    in_use: bool
    trouble: str = ""


class PromptShelf:
    """The prompts of one data folder. Reads only; safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        """Opens nothing yet; there need not be a folder."""
        self.folder = home / FOLDER

    def current(self, kind: str) -> PromptSet:
        """The prompt in use: the one chosen last, or the shipped one of that kind.

        Reads two small files, so that it can be asked before every answer and a running chat takes
        a choice up with its next one. Raises PromptUnusable (it was altered, or there is none of
        that kind) or PromptRefused (its file is gone, or `current.json` is damaged).
        """
        choice = self.choices().get(kind)
        if choice is None:
            if kind not in prompts.DEFAULTS:
                raise PromptUnusable(f"for {kind}", "none comes with Cloister and none was chosen")
            return prompts.default(kind)
        prompt = self.prompt(choice.name)
        if prompt.digest != choice.sha256:
            raise PromptUnusable(
                self._path(choice.name),
                f"it was altered since it was chosen: its digest is {prompt.digest}, chosen was "
                f"{choice.sha256}",
            )
        if prompt.kind != kind:
            raise PromptUnusable(self._path(choice.name), f"it is of the kind {prompt.kind}")
        return prompt

    def prompt(self, name: str) -> PromptSet:
        """The prompt of that name. Raises PromptUnusable, or PromptRefused if there is none."""
        if name in prompts.SHIPPED:
            return prompts.shipped(name)
        if not NAME.fullmatch(name) or not self._path(name).exists():
            raise PromptRefused(
                f"There is no prompt {name!r}: choose a name from `cloister prompts list`, or add "
                "a file with `cloister prompts add`."
            )
        return read_file(self._path(name), name)

    def all(self) -> tuple[Listed, ...]:
        """Every prompt, shipped ones first, then own ones by name. Raises PromptRefused if the
        choice cannot be read."""
        choices = self.choices()
        chosen = {
            kind: choices.get(kind) or Choice(name, prompts.SHIPPED[name])
            for kind, name in prompts.DEFAULTS.items()
        } | choices
        used = {choice.name: choice for choice in chosen.values()}
        own = sorted(path.stem for path in self.folder.glob("*.toml"))
        listed = [self._listed(name, used.get(name), own=False) for name in prompts.SHIPPED]
        listed += [self._listed(name, used.get(name), own=True) for name in own]
        there = {each.name for each in listed}
        gone = "its file is gone"
        listed += [Listed(name, None, True, True, gone) for name in used if name not in there]
        return tuple(listed)

    def choices(self) -> dict[str, Choice]:
        """What was chosen, by kind. Raises PromptRefused if `current.json` is damaged."""
        path = self.folder / POINTER
        try:
            found: Any = json.loads(_read(path))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise _damaged(path, "it cannot be read") from error
        held = found.get("prompts") if isinstance(found, dict) else None
        if not isinstance(held, dict) or found.get("format") != FORMAT:
            raise _damaged(path, "it is not of a format that this version knows")
        return {kind: _choice(path, kind, value) for kind, value in held.items()}

    def _listed(self, name: str, choice: Choice | None, *, own: bool) -> Listed:
        try:
            prompt = self.prompt(name)
        except (PromptUnusable, PromptRefused) as error:
            return Listed(name, None, own, choice is not None, str(error))
        altered = choice is not None and choice.sha256 != prompt.digest
        trouble = "altered since it was chosen" if altered else ""
        return Listed(name, prompt, own, choice is not None, trouble)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.toml"


def read_file(path: Path, name: str = "") -> PromptSet:
    """The prompt in a file; with `name`, one that must be called so. Raises PromptUnusable."""
    try:
        data = _read(path)
    except OSError as error:
        raise PromptUnusable(path, error.strerror or "it cannot be read") from error
    prompt = prompt_form.parse(data, path)
    if name and prompt.name != name:
        raise PromptUnusable(path, f"it is called {name}, and holds {prompt.name}")
    return prompt


def add(shelf: PromptShelf, file: Path, record: Record) -> tuple[PromptSet, bool]:
    """Copy a prompt file among the user's own; the prompt, and whether it is new.

    A version never changes: another content under a name that is there is refused. Raises
    PromptUnusable, PromptRefused, OSError, and what `record` raises.
    """
    prompt = read_file(file)
    path = shelf.folder / f"{prompt.name}.toml"
    with locked(shelf.folder):
        taken = prompts.SHIPPED.get(prompt.name)
        if taken is None and path.exists() and path.resolve() != file.resolve():
            taken = read_file(path, prompt.name).digest
        if taken == prompt.digest:
            return prompt, False
        if taken is not None:
            raise PromptRefused(
                f"There is another prompt {prompt.name} already (digest {taken}): give the file "
                f"a higher `version`, then add it again."
            )
        record("prompt.added", _facts(prompt))
        replace_file(path, file.read_bytes())
        kept = read_file(path, prompt.name)
    if kept.digest != prompt.digest:
        path.unlink(missing_ok=True)
        raise PromptRefused(f"{file} was changed while it was added: add it again.")
    return prompt, True


def use(shelf: PromptShelf, name: str, record: Record) -> tuple[PromptSet, str]:
    """Make a prompt the one in use for its kind; the prompt, and the name of the one before (empty
    if there was none or it cannot be told). Raises PromptUnusable, PromptRefused, OSError, and
    what `record` raises.
    """
    with locked(shelf.folder):
        prompt = shelf.prompt(name)
        choices = shelf.choices()
        held = choices.get(prompt.kind)
        before = held.name if held else prompts.DEFAULTS.get(prompt.kind, "")
        if (held.sha256 if held else prompts.SHIPPED.get(before)) == prompt.digest:
            return prompt, before
        record("prompt.chosen", _facts(prompt) | {"before": before})
        chosen = choices | {prompt.kind: Choice(prompt.name, prompt.digest)}
        held_as = {
            kind: {"name": each.name, "sha256": each.sha256} for kind, each in chosen.items()
        }
        write_object(shelf.folder / POINTER, {"prompts": held_as})
    return prompt, before


def _facts(prompt: PromptSet) -> dict[str, str | int | bool | None]:
    """What is recorded of a prompt, in clear."""
    return {"kind": prompt.kind, "name": prompt.name, "sha256": prompt.digest}


def _choice(path: Path, kind: str, value: object) -> Choice:
    name, sha256 = (value.get("name"), value.get("sha256")) if isinstance(value, dict) else ("", "")
    right = isinstance(name, str) and NAME.fullmatch(name)
    if not right or not isinstance(sha256, str) or not _DIGEST.fullmatch(sha256):
        raise _damaged(path, "it names no prompt")
    if kind not in KINDS:
        raise _damaged(path, f"it chooses for {kind!r:.40}, which this version does not know")
    return Choice(str(name), sha256)


def _damaged(path: Path, why: str) -> PromptRefused:
    return PromptRefused(
        f"The choice of prompts in {path} cannot be used ({why}): restore it from a backup, or "
        "delete it and choose again with `cloister prompts use`."
    )


def _read(path: Path) -> bytes:
    """The bytes of a small plain file; a pipe's name would block for ever. Raises OSError."""
    if path.exists() and not path.is_file():
        raise OSError(0, "it is not a file", str(path))
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise OSError(0, f"it is larger than {MOST_BYTES >> 10} KiB", str(path))
    return data
