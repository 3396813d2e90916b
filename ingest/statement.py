"""The completeness statement of a document, as plain values for people's programs."""

from __future__ import annotations

from index.completeness import Completeness, to_json

__all__ = ["Completeness", "statement"]


def statement(stated: Completeness | None) -> dict[str, object] | None:
    """What `status --json` says of a document; None if it was taken in before there was one."""
    if stated is None:
        return None
    return {
        **to_json(stated),
        "share": round(stated.share, 5),
        "complete": stated.complete,
        "warning": stated.warning,
    }
