"""How files are to be read: what a person set, as plain data for the reading process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What every reader is given besides the bytes. Sizes in bytes, resolution in dots an inch."""

    passwords: tuple[str, ...] = ()
    max_pages: int = 20_000
    keep_hidden: bool = False  # take in what nobody can see, too
    ocr: bool = True  # recognise pages that hold no usable text
    ocr_languages: str = "eng"  # Tesseract's names, joined by "+"
    ocr_dpi: int = 300
    max_members: int = 2_000  # files in one archive or mail
    max_member_bytes: int = 512 << 20  # of all of them together, unpacked
    max_cells: int = 5_000_000  # of one spreadsheet

    def message(self) -> dict[str, object]:
        """As values of a request; `of` is the counterpart."""
        return {**asdict(self), "passwords": list(self.passwords)}

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """The options in a request."""
        known = {each.name: message[each.name] for each in fields(cls) if each.name in message}
        return cls(**{**known, "passwords": tuple(message.get("passwords", ()))})
