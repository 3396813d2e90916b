"""Telling what a thinking model thinks from what it answers. Pure."""

from __future__ import annotations


class Thoughts:
    """Splits the bytes of a text that come token by token: what stands between the marks is
    thought, the rest is the answer.

    Thoughts can only come first, as such models are trained; a mark in the middle of an answer is
    text. `inside` says whether the next bytes are thought; it stays so if the closing mark never
    comes, and then there is no answer.
    """

    def __init__(self, marks: tuple[str, str] | None, *, inside: bool = False) -> None:
        """`marks` open and close; None: the model does not think. `inside`: the prompt ended with
        the opening mark already."""
        opening, closing = marks or ("", "")
        self._open, self._close = opening.encode(), closing.encode()
        self._undecided = marks is not None and not inside
        self.inside = marks is not None and inside
        self._stripping = False
        self._held = b""
        self._thought: list[bytes] = []

    @property
    def text(self) -> str:
        """What was thought so far, white space around it removed."""
        return b"".join(self._thought).decode(errors="replace").strip()

    def push(self, data: bytes) -> bytes:
        """What of the text so far belongs to the answer and was not given yet."""
        if not self._undecided and not self.inside:
            return self._answered(data)
        self._held += data
        if self._undecided:
            begun = self._held.lstrip()
            if len(begun) < len(self._open) and self._open.startswith(begun):
                return b""  # may become the opening mark
            self._undecided = False
            if not begun.startswith(self._open):
                return self._rest()
            self.inside = True
            self._held = begun[len(self._open) :]
        thought, closed, rest = self._held.partition(self._close)
        if not closed:
            return b""
        self._thought.append(thought)
        self.inside, self._held, self._stripping = False, b"", True
        return self._answered(rest)

    def finish(self) -> bytes:
        """The rest: what was held back as the possible beginning of a mark."""
        if self.inside:
            self._thought.append(self._rest())
        return self._rest()

    def _answered(self, data: bytes) -> bytes:
        """`data` without the line breaks that follow the closing mark."""
        if self._stripping:
            data = data.lstrip()
            self._stripping = not data
        return data

    def _rest(self) -> bytes:
        rest, self._held = self._held, b""
        return rest
