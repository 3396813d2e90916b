"""The process that draws one page of an untrusted PDF or image: `python -m assistant.pages_child`.

It takes the file on standard input and page number, dots per inch and the most pixels as arguments,
writes a PNG to standard output and nothing else, and ends: 0, or 1 when the page cannot be drawn.
Memory and processor time are limited and it can open no network socket (`audit.confine`). It
does not protect the files that its user can read from a flaw in PDFium or Pillow.
"""

from __future__ import annotations

import io
import math
import resource
import sys

import pypdfium2
from PIL import Image, ImageOps

from audit.confine import confine

MEMORY = 2 << 30  # bytes of address space
CPU_SECONDS = 20

_MOST_DECODED = 160_000_000  # pixels: A0 at 300 dpi, as much as is read
_SUBFILE, _REDUCED_OR_MASK = 254, 0b101
_BOMBS = (Image.DecompressionBombError, SyntaxError)  # the latter is what Pillow raises on bad PNG


def draw(data: bytes, number: int, dots_per_inch: int, most_pixels: int) -> bytes:
    """Page `number` (from 1) of a PDF or image as a PNG of at most `most_pixels` pixels.

    Raises pypdfium2.PdfiumError, IndexError, ValueError, OSError or MemoryError.
    """
    pdf = b"%PDF-" in data[:1024]
    picture = _pdf(data, number, dots_per_inch, most_pixels) if pdf else _image(data, number)
    area = picture.width * picture.height
    if area > most_pixels:
        share = math.sqrt(most_pixels / area)
        picture.thumbnail((int(picture.width * share), int(picture.height * share)))
    png = io.BytesIO()
    picture.convert("RGB").save(png, "PNG")
    return png.getvalue()


def _image(data: bytes, number: int) -> Image.Image:
    """A picture as it is to be looked at. The pages of a TIFF are its full pictures, in order: what
    is marked as a reduced copy or a mask is none (TIFF 6.0, NewSubfileType).
    """
    Image.MAX_IMAGE_PIXELS = _MOST_DECODED
    image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "TIFF"))
    frames = [0]
    if image.format == "TIFF":
        frames = [at for at in range(getattr(image, "n_frames", 1)) if _is_page(image, at)]
    image.seek(frames[number - 1])
    return ImageOps.exif_transpose(image)


def _is_page(image: Image.Image, frame: int) -> bool:
    image.seek(frame)
    kind = int(getattr(image, "tag_v2", {}).get(_SUBFILE, 0))
    return frame == 0 or not kind & _REDUCED_OR_MASK


def _pdf(data: bytes, number: int, dots_per_inch: int, most_pixels: int) -> Image.Image:
    document = pypdfium2.PdfDocument(data)
    page = document[number - 1]
    width, height = page.get_size()  # points, as a reader sees the page
    scale = dots_per_inch / 72
    area = width * height * scale * scale
    if area > most_pixels:
        scale *= math.sqrt(most_pixels / area)
    picture: Image.Image = page.render(scale=scale, may_draw_forms=False).to_pil()
    return picture


def main() -> int:
    """Draw as the arguments say."""
    number, dots_per_inch, most_pixels = (int(argument) for argument in sys.argv[1:4])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    confine()
    try:
        png = draw(sys.stdin.buffer.read(), number, dots_per_inch, most_pixels)
    except (pypdfium2.PdfiumError, IndexError, MemoryError, ValueError, OSError, *_BOMBS):
        return 1
    sys.stdout.buffer.write(png)
    return 0


if __name__ == "__main__":
    sys.exit(main())
