"""What the language model is doing right now, for whoever watches: not part of any answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ModelState = Literal["idle", "loading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The model that the next question gets, as it stands at this moment.

    `name` is what answers are signed with ("" if none is known). `state` is "idle" (not loaded:
    the next question loads it), "loading", "ready" or "failed" (the last attempt to run it failed;
    the next question tries again). `notes` say what was decided otherwise than configured, or which
    device stays unused, each in a sentence. `waiting` questions are in the line and `running` are
    being answered, of everybody together.
    """

    name: str = ""
    state: ModelState = "idle"
    notes: tuple[str, ...] = ()
    waiting: int = 0
    running: int = 0
