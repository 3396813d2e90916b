"""Write the sample documents from their Markdown sources: `python samples/build.py [--out FOLDER]`.

Every source under `samples/sources/` has a short front matter (`key: value` lines between two `---`)
that names its output (`path`, whose ending picks the format) and a body in a small Markdown: `#` to
`###` headings, `- ` bullets, `> ` notes, `| tables |`, numbered clauses (`4.2 Text`), lettered items
(`(a) Text`), `Table n. Caption`, and `<!-- page -->` for a page break. One line is one paragraph.

The same sources give the same bytes on every machine: reportlab runs in its invariant mode, times
are fixed, and nothing is compressed, because zlib's output differs between its implementations.
"""

from __future__ import annotations

import argparse
import html
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from source import Block, Rows, Source, plain, read_source, rich
from typeset_docx import write_docx
from typeset_pdf import write_pdf

SAMPLES = Path(__file__).resolve().parent
TEXT_WIDTH = 92  # columns of a plain-text page


_CSS = """body{font:16px/1.5 Georgia,serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}
h1,h2,h3{font-family:Helvetica,Arial,sans-serif;color:#0f4c5c}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{border:1px solid #9fb4ba;padding:.35rem .6rem;text-align:left;vertical-align:top}
th{background:#e8f0f2}.note{background:#e8f0f2;padding:.6rem 1rem}footer{color:#555;font-size:.85rem}"""


def write_html(source: Source) -> bytes:
    """A stand-alone web page; a section begins at each level-2 heading."""
    title = html.escape(source.meta["title"])
    parts = [
        f'<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>',
        f"<style>\n{_CSS}\n</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>",
        _html_table((("Document control", ""), *source.control())),
        *_html_blocks(source.blocks),
        f"</main>\n<footer><p>{html.escape(source.meta['footer'])}</p></footer>\n</body>\n</html>\n",
    ]
    return "\n".join(parts).encode()


def _html_blocks(blocks: tuple[Block, ...]) -> Iterator[str]:
    open_list = False
    for block in blocks:
        if open_list and block.kind != "bullet":
            yield "</ul>"
        elif not open_list and block.kind == "bullet":
            yield "<ul>"
        open_list = block.kind == "bullet"
        yield _html_block(block)
    if open_list:
        yield "</ul>"


def _html_block(block: Block) -> str:
    text = rich(block.text)
    if block.kind == "heading":
        return f"<h{block.level}>{text}</h{block.level}>"
    if block.kind == "table":
        return _html_table(block.rows)
    if block.kind == "bullet":
        return f"<li>{text}</li>"
    mark = f"{block.mark} " if block.mark else ""
    kind = f' class="{block.kind}"' if block.kind in ("note", "caption") else ""
    return f"<p{kind}>{mark}{text}</p>"


def _html_table(rows: Rows) -> str:
    def line(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{rich(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "\n".join(line(row, "td") for row in rows[1:])
    return f"<table>\n<thead>{line(rows[0], 'th')}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def write_markdown(source: Source) -> bytes:
    """The body under a title and its control table; a section begins at each level-2 heading."""
    control = "\n".join(f"| {key} | {value} |" for key, value in source.control())
    head = f"# {source.meta['title']}\n\n| Document control | |\n|---|---|\n{control}\n\n"
    return (head + source.body).encode()


def write_text(source: Source) -> bytes:
    """A print-image export: a header line on each page, form feeds between the pages."""
    pages: list[list[str]] = [[source.meta["title"].upper(), ""]]
    for block in source.blocks:
        if block.kind == "page":
            pages.append([])
        else:
            pages[-1] += [*_text_block(block), ""]
    done = []
    for number, lines in enumerate(pages, 1):
        right = f"PAGE {number} OF {len(pages)}"
        left = f"{source.meta['id']}  {source.meta['footer']}"
        header = f"{left}{right:>{TEXT_WIDTH - len(left)}}"
        done.append("\n".join([header, "=" * TEXT_WIDTH, "", *lines]).rstrip() + "\n")
    return "\f".join(done).encode()


def _text_block(block: Block) -> list[str]:
    text = plain(block.text)
    if block.kind == "heading":
        return [text.upper() if block.level == 2 else text, "-" * len(text)]
    if block.kind == "table":
        return _text_table(block.rows)
    first = {"bullet": "  - ", "note": "  ! "}.get(
        block.kind, f"{block.mark}  " if block.mark else ""
    )
    return textwrap.wrap(text, TEXT_WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


def _text_table(rows: Rows) -> list[str]:
    widths = [max(len(plain(cell)) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            plain(cell).ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    rule = "  ".join("-" * width for width in widths)
    return [lines[0], rule, *lines[1:]]


# --- all of them --------------------------------------------------------------------------------

WRITERS: Mapping[str, Callable[[Source], bytes]] = {
    ".pdf": write_pdf,
    ".docx": write_docx,
    ".html": write_html,
    ".md": write_markdown,
    ".txt": write_text,
}


def sources() -> list[Path]:
    """The source files in order; the fact sheet is not a document."""
    return sorted(p for p in (SAMPLES / "sources").glob("*.md") if p.name != "FACTS.md")


def build(out: Path) -> list[Path]:
    """Write every document under `out`; returns their paths."""
    written = []
    for path in sources():
        source = read_source(path)
        target = out / source.meta["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(WRITERS[target.suffix](source))
        written.append(target)
    return written


def main() -> None:
    """Build into `--out` (default `samples/documents`) and say how many were written."""
    parser = argparse.ArgumentParser(description="Write the sample documents.")
    parser.add_argument("--out", type=Path, default=SAMPLES / "documents")
    written = build(parser.parse_args().out)
    print(f"{len(written)} documents written.")


if __name__ == "__main__":
    main()
