"""What a verification has found wrong so far: the first of it in words, all of it counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

MAX_FINDINGS = 20
_MAX_CHARACTERS = 300  # of one finding: what it quotes comes from the log


@dataclass(slots=True)
class Findings:
    """Findings in the order in which they were made; after `most` they are only counted."""

    texts: list[str] = field(default_factory=list)
    count: int = 0
    most: int = MAX_FINDINGS

    def add(self, text: str) -> None:
        """Add one, cut to a readable length."""
        self.count += 1
        if len(self.texts) < self.most:
            self.texts.append(text[:_MAX_CHARACTERS])

    def extend(self, texts: Iterable[str], count: int) -> None:
        """Add those of a part of the log, of which `texts` are the first and `count` all."""
        before = self.count
        for text in texts:
            self.add(text)
        self.count = before + count
