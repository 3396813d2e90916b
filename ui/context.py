"""What every command knows: where the data lies, and whether tracebacks are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import typer


@dataclass(frozen=True, slots=True)
class Shared:
    """The options before the command."""

    home: Path
    debug: bool = False


def shared(context: typer.Context) -> Shared:
    """The options that `cloister` itself was given."""
    return cast(Shared, context.obj)
