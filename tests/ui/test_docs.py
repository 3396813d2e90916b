"""docs/cli.md names every command, option and exit code; docs/chat.md every setting of the chat."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from ui.failures import EXIT_CODES
from ui.main import app
from ui.render import VERDICTS
from ui.settings import UiSettings

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "cli.md").read_text(encoding="utf-8")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with its path."""
    below = getattr(command, "commands", None)
    if not below:
        yield path, command
        return
    for name, each in below.items():
        yield from commands(each, (*path, name))


ROOT = typer.main.get_command(app)
ALL = dict(commands(ROOT))


def options(command: Any) -> set[str]:
    found = {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name[0] == "-"
    }
    return found - {"--help", "-h"}


def section(path: tuple[str, ...]) -> str:
    """The part of the page under the heading of a command."""
    match = re.search(
        rf"^### `cloister {' '.join(path)}\b[^\n]*\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert match, f"docs/cli.md has no section for `cloister {' '.join(path)}`"
    return match.group(1)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_is_documented_and_no_other(path: tuple[str, ...]) -> None:
    rows = [row for row in section(path).splitlines() if row.startswith("| `-")]
    documented = {
        name for row in rows for name in re.findall(r"`(--?[a-z0-9-]+)", row.split("|")[1])
    }
    assert documented == options(ALL[path])


def test_every_documented_command_exists() -> None:
    headings = re.findall(r"^### `cloister ([a-z -]+?)(?: \[?[A-Z].*)?`$", PAGE, re.MULTILINE)
    assert {tuple(heading.split()) for heading in headings} == set(ALL)


def test_the_options_before_the_command_are_documented() -> None:
    top = PAGE.split("## Exit codes")[0]
    for option in options(ROOT):
        assert f"`{option}" in top


def test_every_exit_code_is_documented_and_no_other() -> None:
    table = PAGE.split("## Exit codes")[1].split("\n## ")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == set(
        EXIT_CODES
    )


def test_every_verdict_is_documented_in_the_words_that_are_shown() -> None:
    for verdict, (words, _) in VERDICTS.items():
        assert f"| `{verdict.value}` | {words} |" in PAGE


def test_every_setting_of_the_chat_is_documented() -> None:
    chat = (DOCS / "chat.md").read_text(encoding="utf-8")
    for name in UiSettings.model_fields:
        assert f"`{name}`" in chat
