"""What `answer.json` of an evidence pack says: one answer or task, told from its records. Pure.

Values have a canonical form (RFC 8785): floats become text, lone surrogates question marks. All
times are RFC 3339 in UTC, offsets count characters of a page's text. `docs/evidence-pack.md` lists
the members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.pack_check import FORMAT
from assistant.pack_pages import Kept
from assistant.pack_records import Request, Sealing
from assistant.pack_told import ASKED, ENDED, Told, citations_of, clean, first, plain, tell
from assistant.pages import PageView
from audit.checkpoint import origin_of

Data = dict[str, Any]
MOST_FOUND = 3  # passages shown of an answer that cites nothing


@dataclass(frozen=True, slots=True)
class Place:
    """A page that the pack shows: `text_file` and `image_file` within it, "" where there is none.
    `view` is None for a page that is gone."""

    document: str
    page: int
    view: PageView | None
    text_file: str = ""
    image_file: str = ""
    cited: bool = True


def spans_of(request: Request) -> dict[tuple[str, int], list[tuple[int, int]]]:
    """What is quoted, by document and page, in the order of the records; of an answer that quotes
    nothing, the best passages found for it."""
    found: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for each in citations_of(told_of(request)):
        spans = found.setdefault((str(each["document"]), int(each["page"])), [])
        span = (int(each["start"]), int(each["end"]))
        if span not in spans:
            spans.append(span)
    if not found:
        for hit in found_of(request):
            start, end = hit["passage"]
            found.setdefault((hit["document"], hit["page"]), []).append((start, end))
    return found


def told_of(request: Request) -> list[Told]:
    """The records as `assistant.pack_told` takes them."""
    return [
        Told(each.leaf.seq, each.envelope, each.leaf.hash.hex(), each.state, each.payload)
        for each in request.records
    ]


def found_of(request: Request) -> list[Data]:
    """The best passages that were found, of an answer that cites nothing."""
    released = request.of("answer.released")
    if released is None or released.payload is None or released.payload.get("citations"):
        return []
    return list(released.payload.get("hits", ()))[:MOST_FOUND]


def documents_of(request: Request) -> list[str]:
    """The ids of the documents that the pack speaks of, each once."""
    return list(dict.fromkeys(document for document, _ in spans_of(request)))


def contents(
    request: Request,
    sealing: Sealing,
    places: Sequence[Place],
    kept: Mapping[str, Kept | None],
    files: Mapping[str, str],
    made_by: Mapping[str, str],
) -> Data:
    """`answer.json`. `kept` has the documents as they are today by id, `files` the name in the pack
    of those that are in it, `made_by` what made the pack."""
    records = told_of(request)
    log_id = str(request.target.envelope["log_id"])
    told = {
        "schema": FORMAT,
        "log": {
            "id": log_id, "origin": origin_of(log_id), "size": sealing.size, "root": sealing.root,
            "key": sealing.key_id, "epoch": len(sealing.keys),
        },
        **tell(records, request.target.leaf.seq),
        "citations": [_citation(each, places) for each in citations_of(told_of(request))],
        "found": [_found(each, places) for each in found_of(request)],
        "pages": [_page(each) for each in places],
        "documents": [
            _document(each, request, kept.get(each), files.get(each, ""))
            for each in documents_of(request)
        ],
        "pruned": [
            {
                "seq": each.seq, "hash": each.hash.hex(), "removed_by": each.by_seq,
                "path": sealing.paths[each.seq],
            }
            for each in request.pruned
        ],
        "anchored": {
            "size": sealing.anchored_size, "anchor": sealing.anchored_in,
            "consistency": list(sealing.consistency),
        }
        if sealing.anchored
        else None,
        "notes": _notes(request, places),
        "made_by": dict(made_by),
    }  # fmt: skip
    cleaned: Data = plain(told)
    return cleaned


def _citation(each: Data, places: Iterable[Place]) -> Data:
    place = _at(each, places)
    view = place.view if place else None
    state = _state(each["quote"], int(each["start"]), int(each["end"]), place)
    return {
        "number": each.get("number"),
        "document": each["document"],
        "source": str(each.get("source") or (view.source if view else "")),
        "title": str(each.get("title") or (view.title if view else "")),
        "page": int(each["page"]),
        "label": str(each.get("label") or (view.label if view else "")),
        "start": int(each["start"]),
        "end": int(each["end"]),
        "quote": each["quote"],
        "warning": str(each.get("warning", "")),
        "state": state,
        "text_file": place.text_file if place else "",
        "image_file": place.image_file if place else "",
    }


def _found(hit: Data, places: Iterable[Place]) -> Data:
    place = _at(hit, places)
    start, end = map(int, hit["passage"])
    text = place.view.text[start:end] if place and place.view else ""
    return {
        "rank": hit["rank"], "document": hit["document"], "source": str(hit["source"]),
        "title": str(hit.get("title", "")), "page": int(hit["page"]), "start": start, "end": end,
        "text": text, "text_file": place.text_file if place else "",
        "image_file": place.image_file if place else "",
    }  # fmt: skip


def _at(each: Mapping[str, Any], places: Iterable[Place]) -> Place | None:
    wanted = (each["document"], int(each["page"]))
    return next((place for place in places if (place.document, place.page) == wanted), None)


def _state(quote: str, start: int, end: int, place: Place | None) -> str:
    """Whether the page reads today as it was quoted: "same", "differs" or "gone"."""
    if place is None or place.view is None:
        return "gone"
    return "same" if place.view.text[start:end] == quote else "differs"


def _page(place: Place) -> Data:
    view = place.view
    return {
        "document": place.document, "page": place.page, "cited": place.cited,
        "state": "gone" if view is None else "there",
        "label": view.label if view else "", "pages": view.pages if view else 0,
        "source": view.source if view else "", "title": view.title if view else "",
        "spans": [list(each) for each in view.spans] if view else [],
        "marked": bool(view and view.highlights),
        "text_file": place.text_file, "image_file": place.image_file,
    }  # fmt: skip


def _document(document_id: str, request: Request, kept: Kept | None, file: str) -> Data:
    """A document as the record has it (`then`) and as the catalogue has it today (`now`)."""
    then = _then(document_id, request)
    now = None
    if kept is not None:
        by = kept.standing.superseded_by
        now = {
            "collection": kept.document.collection, "source": kept.document.source,
            "title": kept.document.title, "version": kept.document.version,
            "status": kept.document.status.value, "in_force": kept.standing.in_force,
            "superseded_on": kept.standing.superseded_on,
            "superseded_by": by.source if by else None,
            "superseded_by_id": by.id if by else None,
            "withdrawn_on": kept.standing.withdrawn_on,
            "effective_from": kept.document.effective_from,
            "effective_to": kept.document.effective_to,
            "added_at": kept.document.added_at, "media_type": kept.document.media_type,
        }  # fmt: skip
    told = {
        name: next((each[name] for each in (then, now) if each and each.get(name)), "")
        for name in ("source", "title")
    }
    return {"id": document_id, **told, "file": file, "then": then, "now": now}


def _then(document_id: str, request: Request) -> Data | None:
    told = ("collection", "source", "title", "version", "status", "effective_from", "effective_to")
    for record in request.records:
        for hit in (record.payload or {}).get("hits", ()):
            if hit.get("document") == document_id and "version" in hit:
                return {name: hit.get(name) for name in told}
    return None


def _notes(request: Request, places: Sequence[Place]) -> list[str]:
    """What a reader must know of this pack, one sentence each."""
    notes = []
    erased = [str(each.leaf.seq) for each in request.records if each.state == "erased"]
    if erased:
        notes.append(
            f"The texts of records {', '.join(erased)} were erased and can be read by nobody; the "
            "records and their proofs stand."
        )
    if first(told_of(request), *ASKED) is None:
        notes.append("The record of what was asked is not in the log any more.")
    if first(told_of(request), *ENDED) is None:
        notes.append("No record says how this ended: it is under way, broken off, or removed.")
    if request.pruned:
        numbers = ", ".join(str(each.seq) for each in request.pruned[:20])
        notes.append(
            f"Between these records retention removed {len(request.pruned)} ({numbers}"
            f"{' and more' if len(request.pruned) > 20 else ''}), of this request or of others; "
            "their hashes stay in the log."
        )
    gone = sum(each.view is None for each in places)
    if gone:
        notes.append(f"{gone} of the pages are not in the catalogue any more.")
    unmarked = sum(bool(each.image_file) and not (each.view and each.view.highlights)
                   for each in places)  # fmt: skip
    if unmarked:
        notes.append(f"On {unmarked} of the pictures the place could not be marked.")
    return notes


def file_stem(document: str, page: int) -> str:
    """The name of a page's files, without their ending."""
    return f"pages/{document[:12]}-page-{page}"


def document_file(document: str, source: str) -> str:
    """The name of a document's file in the pack."""
    name = Path(clean(source)).name
    safe = "".join(each if each.isascii() and (each.isalnum() or each in "._-") else "_"
                   for each in name)  # fmt: skip
    return f"documents/{document[:12]}-{safe[-100:].lstrip('.')}"
