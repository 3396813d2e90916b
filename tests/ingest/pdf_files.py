"""PDF files written by hand, where a library would not write what a test needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def pdf_of(
    contents: Sequence[str],
    *,
    fonts: Mapping[str, str] | None = None,
    objects: Sequence[bytes] = (),
    page: str = "",
    resources: str = "",
    catalog: str = "",
    media: str = "[0 0 600 800]",
) -> bytes:
    """A PDF with one page for each of `contents`, which are its drawing operators.

    `objects` get the numbers from 3 on, to be named in `page`, `resources`, `catalog` or `fonts`
    (whose values are dictionaries; the font F1 is Helvetica).
    """
    made: list[bytes] = [b"", b"", *objects]

    def add(body: str | bytes) -> int:
        made.append(body.encode("latin-1") if isinstance(body, str) else body)
        return len(made)

    named = {"F1": HELVETICA, **(fonts or {})}
    held = " ".join(f"/{name} {add(body)} 0 R" for name, body in named.items())
    kids = []
    for drawn in contents:
        stream = add(stream_of(drawn))
        kids.append(
            add(
                f"<< /Type /Page /Parent 2 0 R /MediaBox {media} /Contents {stream} 0 R "
                f"/Resources << /Font << {held} >> {resources} >> {page} >>"
            )
        )
    made[0] = f"<< /Type /Catalog /Pages 2 0 R {catalog} >>".encode()
    listed = " ".join(f"{kid} 0 R" for kid in kids)
    made[1] = f"<< /Type /Pages /Kids [{listed}] /Count {len(kids)} >>".encode()
    return _file(made)


def stream_of(text: str, more: str = "") -> bytes:
    """A stream object."""
    data = text.encode("latin-1")
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), more.encode(), data)


def image_of(width: int, height: int, grey: bytes) -> bytes:
    """A grey image object of `width` by `height` pixels."""
    return (
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray "
        b"/BitsPerComponent 8 /Length %d >>\nstream\n%s\nendstream"
        % (width, height, len(grey), grey)
    )


def to_unicode(mapping: Mapping[int, str]) -> bytes:
    """A ToUnicode map: which text the codes of a font stand for."""
    rows = "\n".join(
        f"<{code:02X}> <{text.encode('utf-16-be', 'surrogatepass').hex()}>"
        for code, text in mapping.items()
    )
    return stream_of(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def "
        "1 begincodespacerange <00> <FF> endcodespacerange "
        f"{len(mapping)} beginbfchar\n{rows}\nendbfchar endcmap end end"
    )


def _file(objects: Sequence[bytes]) -> bytes:
    out = b"%PDF-1.7\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (size, table, size, len(out))
    )
