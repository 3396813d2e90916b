"""From the bytes of tokens to pieces of text that can be shown as they come."""

from __future__ import annotations

import codecs


class Pieces:
    """Joins the bytes of tokens to text. Pure: knows neither model nor process.

    A character whose bytes are spread over several tokens appears when it is complete; bytes that
    are no UTF-8 become U+FFFD. Text that may be the beginning of a stop string is held back until
    the next token decides, so that no part of a stop string is ever given out.
    """

    def __init__(self, stop: tuple[str, ...] = ()) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._stop = stop
        self._held = ""
        self.stopped = False  # a stop string was met; whatever is pushed now is dropped

    def push(self, data: bytes) -> str:
        """What can be given out now that `data` has come; may be empty."""
        return self._advance(self._decode(data), last=False)

    def finish(self) -> str:
        """The rest: what was held back and no token will decide any more."""
        return self._advance(self._decode(b"", final=True), last=True)

    def _advance(self, text: str, *, last: bool) -> str:
        if self.stopped:
            return ""
        held = self._held + text
        found = [at for at in (held.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return held[: min(found)]
        keep = 0 if last else max((_overlap(held, stop) for stop in self._stop), default=0)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest proper prefix of `stop` that `text` ends with."""
    for length in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
