"""The table `[ui]` of `cloister.toml`, and the check that nothing unknown is set anywhere.

Only composition and entry points import this.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from assistant.settings import Section
from ui.errors import SettingsError

SECTIONS = ("audit", "index", "ingest", "assistant", "ui")
OTHERS = ("CLOISTER_HOME",)  # variables that belong to no table


class UiSettings(Section):
    """The chat."""

    section: ClassVar[str] = "ui"

    examples: tuple[str, ...] = Field(
        default=(),
        max_length=6,
        description="Questions offered on the empty page; empty: those of the sample documents if "
        "these are ingested, else hints.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address that the chat listens on: 127.0.0.1, or a private address of this "
        "machine such as a container's on a network without a way out.",
    )
    open_browser: bool = Field(
        default=True, description="Whether the chat opens its sign-in link in a browser."
    )
    signin_minutes: float = Field(
        default=10.0, gt=0.0, le=1440.0, description="How long a sign-in link can be used, minutes."
    )
    session_hours: float = Field(
        default=12.0,
        gt=0.0,
        le=168.0,
        description="How long a browser stays signed in, in hours.",
    )


def check_variables() -> None:
    """Refuse a `CLOISTER_*` variable that belongs to no table; each table checks its own keys.

    Raises:
        SettingsError: naming the variable and what there is.
    """
    known = tuple(f"CLOISTER_{section.upper()}_" for section in SECTIONS)
    for name in sorted(os.environ):
        ours = name.startswith("CLOISTER_") and name not in OTHERS
        if ours and not name.startswith(known):
            raise SettingsError(
                f"Unknown variable {name}; known are {', '.join(OTHERS)} and those that start "
                f"with {', '.join(known)}: correct or unset it."
            )


def load(home: Path) -> UiSettings:
    """The settings of the chat for the data folder `home`.

    Raises:
        ConfigurationError: see `Section.load`.
    """
    return UiSettings.load(home)
