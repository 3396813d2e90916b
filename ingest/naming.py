"""Which sources a person means, and which folder a source was found in. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from index.records import SourceState

_ID_DIGITS = 8  # of a document's id suffice to name it, if no other begins so


def named(name: str, states: Sequence[SourceState]) -> list[SourceState]:
    """The sources that `name` names: by source, else by document id, else by the file's name."""
    exact = [state for state in states if state.source == name]
    if exact:
        return exact
    held = [
        state
        for state in states
        if len(name) >= _ID_DIGITS and (state.document_id or "").startswith(name.lower())
    ]
    if held and len({state.document_id for state in held}) == 1:
        return held
    return [state for state in states if name in (state.path, Path(state.path).name)]


def with_parts(chosen: Sequence[SourceState], states: Sequence[SourceState]) -> list[SourceState]:
    """Sources and all that are parts of them, at any depth, by source."""
    parts: dict[str, list[SourceState]] = {}
    for state in states:
        parts.setdefault(state.container, []).append(state)
    found: dict[str, SourceState] = {}
    waiting = list(chosen)
    while waiting:
        state = waiting.pop()
        if state.source not in found:
            found[state.source] = state
            waiting += parts.get(state.source, [])
    return [found[source] for source in sorted(found)]


def root_of(state: SourceState) -> Path:
    """The folder that was named when the file of a source was found, or the file's own folder."""
    path = Path(state.path)
    inside = f"/{state.source}"
    return Path(state.path[: -len(inside)] or "/") if state.path.endswith(inside) else path.parent
