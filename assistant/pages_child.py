"""The process that draws one page of an untrusted PDF: `python -m assistant.pages_child`.

It takes the PDF on standard input and page number, dots per inch and the most pixels as arguments,
writes a PNG to standard output and nothing else, and ends: 0, or 1 when the page cannot be drawn.
Memory and processor time are limited and it can open no network socket (`audit.confine`). It
does not protect the files that its user can read from a flaw in PDFium.
"""

from __future__ import annotations

import io
import math
import resource
import sys

import pypdfium2

from audit.confine import confine

MEMORY = 2 << 30  # bytes of address space
CPU_SECONDS = 20


def draw(data: bytes, number: int, dots_per_inch: int, most_pixels: int) -> bytes:
    """Page `number` (from 1) of a PDF as a PNG of at most `most_pixels` pixels.

    Raises pypdfium2.PdfiumError, IndexError or MemoryError.
    """
    document = pypdfium2.PdfDocument(data)
    page = document[number - 1]
    width, height = page.get_size()  # points, as a reader sees the page
    scale = dots_per_inch / 72
    area = width * height * scale * scale
    if area > most_pixels:
        scale *= math.sqrt(most_pixels / area)
    picture = page.render(scale=scale, may_draw_forms=False).to_pil()
    png = io.BytesIO()
    picture.convert("RGB").save(png, "PNG")
    return png.getvalue()


def main() -> int:
    """Draw as the arguments say."""
    number, dots_per_inch, most_pixels = (int(argument) for argument in sys.argv[1:4])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    confine()
    try:
        png = draw(sys.stdin.buffer.read(), number, dots_per_inch, most_pixels)
    except (pypdfium2.PdfiumError, IndexError, MemoryError, ValueError):
        return 1
    sys.stdout.buffer.write(png)
    return 0


if __name__ == "__main__":
    sys.exit(main())
