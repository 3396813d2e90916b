"""The table of a sweep as CSV, JSON and HTML, a row a document. Pure.

A cell of CSV that a spreadsheet would take for a formula (it opens with =, +, -, @, a tab or a
carriage return) gets an apostrophe in front, as OWASP's note on CSV injection has it. The HTML page
stands alone: no script, no link, no picture, every text escaped, and a policy that forbids loading.
"""

from __future__ import annotations

import csv
import html
import io
import json
from dataclasses import asdict

from assistant.answer import Citation
from assistant.sweep_rows import Row, SweepResult

COLUMNS = (
    "source", "title", "collection", "verdict", "value", "quote", "pages", "reason", "warning",
    "document",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def to_csv(result: SweepResult) -> str:
    """RFC 4180, the columns `COLUMNS` named in the first line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in result.rows:
        writer.writerow([harmless(cell) for cell in _cells(row)])
    return out.getvalue()


def harmless(cell: str) -> str:
    """The cell as no spreadsheet takes it for a formula."""
    return (
        f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) or cell.startswith(_FORMULA) else cell
    )


def row_json(row: Row) -> dict[str, object]:
    """One row. The keys are an interface."""
    return {
        "document": row.document,
        "source": row.source,
        "title": row.title,
        "collection": row.collection,
        "verdict": row.verdict.value,
        "value": row.value,
        "quote": row.quote,
        "citations": [_citation(each) for each in row.citations],
        "reason": row.reason,
        **({"warning": row.warning} if row.warning else {}),
    }


def summary_json(result: SweepResult) -> dict[str, object]:
    """All but the rows. The keys are an interface."""
    return {
        "sweep": result.sweep,
        "question": result.question,
        "kind": result.kind,
        "absent": result.absent,
        "day": result.day,
        "documents": len(result.rows),
        **{verdict.value.lower(): count for verdict, count in result.counts.items()},
        "values": [{"value": value, "documents": count} for value, count in result.values],
        "dropped": result.dropped,
        "resumed": result.resumed,
        "sentence": result.sentence,
        "record": result.record,
        "seconds": round(result.seconds, 3),
    }


def to_json(result: SweepResult) -> str:
    """The summary with its rows."""
    whole = {**summary_json(result), "rows": [row_json(row) for row in result.rows]}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def to_html(result: SweepResult, asked: str) -> str:
    """A page for people; `asked` is the question as it was put."""
    head = "".join(f"<th>{name}</th>" for name in ("Document", "Verdict", "Value", "Evidence"))
    body = "\n".join(_html_row(row) for row in result.rows)
    values = "".join(f"<li>{html.escape(value)}: {count:,}</li>" for value, count in result.values)
    return _PAGE.format(
        title=html.escape(asked),
        question=html.escape(result.question),
        sentence=html.escape(result.sentence),
        values=f"<ul>{values}</ul>" if values else "",
        head=head,
        body=body,
        record=html.escape(result.record),
    )


def _html_row(row: Row) -> str:
    pages = html.escape(_pages(row))
    evidence = "".join(
        f"<p>{html.escape(text)}</p>" for text in (row.quote, row.reason, row.warning) if text
    )
    where = f"<small>page {pages}</small>" if pages else ""
    return (
        f'<tr class="{row.verdict.value}"><td>{html.escape(row.source)}</td>'
        f"<td>{row.verdict.value}</td><td>{html.escape(row.value)}</td>"
        f"<td>{evidence}{where}</td></tr>"
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ border-bottom: 1px solid #d6dbe4; padding: .5rem; text-align: left; vertical-align: top }}
.FOUND td:nth-child(2) {{ color: #17603a }} .UNCLEAR td:nth-child(2) {{ color: #8a5a00 }}
.FAILED td:nth-child(2) {{ color: #a11d1d }} p {{ margin: 0 0 .3rem }}
</style></head><body><h1>{title}</h1>
<p>Put to each document: {question}</p><p><strong>{sentence}</strong></p>{values}
<table><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table><p><small>Record {record} of the audit log.</small></p></body></html>
"""


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.source, row.title, row.collection, row.verdict.value, row.value, row.quote, _pages(row),
        row.reason, row.warning, row.document,
    )  # fmt: skip


def _pages(row: Row) -> str:
    """The pages cited, each once, as a reader finds them."""
    return ", ".join(dict.fromkeys(each.label or str(each.page) for each in row.citations))


def _citation(citation: Citation) -> dict[str, object]:
    keys = ("number", "page", "start", "end", "quote")
    told = asdict(citation)
    return {key: told[key] for key in keys}
