"""How files are to be read: what a person set, as plain data for the reading process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self


def _silent() -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What every reader is given besides the bytes. Sizes in bytes, resolution in dots an inch.

    A reader that works for seconds before it has anything to hand over calls `pulse()` now and
    then (after each recognised page, say): who waits for it then knows that it goes on. It does
    not cross to another process.
    """

    passwords: tuple[str, ...] = ()
    max_pages: int = 20_000
    keep_hidden: bool = False  # take in what nobody can see, too
    ocr: bool = True  # recognise pages that hold no usable text
    ocr_languages: str = "eng"  # Tesseract's names, joined by "+"
    ocr_dpi: int = 300
    max_members: int = 2_000  # files in one archive or mail
    max_member_bytes: int = 512 << 20  # of all of them together, unpacked
    max_cells: int = 5_000_000  # of one spreadsheet
    pulse: Callable[[], None] = field(default=_silent, compare=False, repr=False)

    def message(self) -> dict[str, object]:
        """As values of a request; `of` is the counterpart."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        del plain["pulse"]
        return {**plain, "passwords": list(self.passwords)}

    @classmethod
    def of(cls, message: Mapping[str, Any], pulse: Callable[[], None] = _silent) -> Self:
        """The options in a request."""
        known = {each.name: message[each.name] for each in fields(cls) if each.name in message}
        return cls(**{**known, "passwords": tuple(message.get("passwords", ())), "pulse": pulse})
