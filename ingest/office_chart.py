"""Charts and diagrams of office files as text: what they show, from the values kept with them.

DrawingML charts keep the values that were last drawn (ECMA-376 part 1, 21.2); a diagram keeps the
text of its points (21.4). The spreadsheet behind a chart is not opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.office_flow import row
from ingest.pages import Piece

_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_MOST_ROWS = 5_000  # of one chart


def chart_pieces(root: Any) -> Iterator[Piece]:
    """The title of a chart, then a row of its series' names and one for each category."""
    title = root.find(f".//{_C}chart/{_C}title")
    if title is not None:
        yield Piece(_text(title))
    names: list[str] = []
    columns: list[dict[int, str]] = []
    categories: dict[int, str] = {}
    for series in root.iter(f"{_C}ser"):
        name = series.find(f"{_C}tx")
        names.append("" if name is None else " ".join(_points(name).values()) or _text(name))
        for tag in ("cat", "xVal"):
            found = series.find(f"{_C}{tag}")
            if found is not None and not categories:
                categories = _points(found)
        values = series.find(f"{_C}val")
        values = series.find(f"{_C}yVal") if values is None else values
        columns.append({} if values is None else _points(values))
    head = row([("", 1), *((name, 1) for name in names)], head=True)
    if head is not None:
        yield head
    places = sorted(set(categories).union(*columns))[:_MOST_ROWS]
    for place in places:
        cells = [categories.get(place, ""), *(column.get(place, "") for column in columns)]
        body = row([(cell, 1) for cell in cells], head=False)
        if body is not None:
            yield body


def diagram_pieces(root: Any) -> Iterator[Piece]:
    """The text of each point of a diagram, in the order in which they are kept."""
    for point in root.iter(f"{_DGM}pt"):
        text = _text(point)
        if text:
            yield Piece(f"• {text}", tight=True)


def _points(node: Any) -> dict[int, str]:
    """The kept values below `node` by their place; of several levels of categories all count."""
    found: dict[int, str] = {}
    for point in node.iter(f"{_C}pt"):
        place = str(point.get("idx", ""))
        value = point.find(f"{_C}v")
        if place.isdigit() and len(place) < 9 and value is not None and value.text:
            before = found.get(int(place))
            found[int(place)] = f"{value.text} {before}" if before else str(value.text)
    return found


def _text(node: Any) -> str:
    paragraphs = (
        "".join(part.text or "" for part in paragraph.iter(f"{_A}t"))
        for paragraph in node.iter(f"{_A}p")
    )
    return " ".join(text for text in paragraphs if text.strip())
