"""What the evidence pack's PDF says, section by section. Data in, blocks of text out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reportlab.platypus import Flowable

from assistant.answer import Verdict
from assistant.pack_told import CALL, MADE
from ui.pack_layout import ACCENT, FAINT, LABEL, MARK, Fonts, Heading, Look, Style, Words
from ui.pack_words import (
    counted,
    cut,
    in_words,
    marked,
    ordered,
    pairs,
    seq,
    shown_time,
    since,
    standing,
    unreadable,
)
from ui.render import VERDICTS, page_name

Data = Mapping[str, Any]
Read = Callable[[str], bytes]

_BODY, _STRONG = Style(), Style(bold=True)
_SMALL, _SMALL_STRONG = Style(8.4), Style(8.4, bold=True)
_TINY = Style(7.4)
_DIM = Style(8.4, colour=FAINT)
_FACT = Look(leading=12, indent=112, after=1.5)
_MOST_ROWS = 400  # lines of a task's part; the rest stands in answer.json
_TOLD_ELSEWHERE = ("citations_checked", "removed", "enough", "enough_ppm", "format")
_TASKS = {"task.received": "Task", "search.received": "Search"}
_STATES = {
    "same": "The page reads today as it was quoted.",
    "differs": "The page reads otherwise today than it was quoted.",
    "gone": "The page is not in the catalogue any more; the quotation stands in the record.",
}


def title(answer: Data) -> str:
    """The document's title."""
    target = answer["target"]
    return f"Evidence pack: record {target['seq']} of {shown_time(target['time'])}"


class Story:
    """The text of one pack's PDF. `read` gives a file of the pack."""

    def __init__(self, fonts: Fonts, answer: Data, read: Read) -> None:
        self._fonts, self._answer, self._read = fonts, answer, read
        self._keys = 0

    def front(self) -> Iterator[Flowable]:
        """Everything before the pages."""
        yield from self._opening()
        yield from self._question()
        yield from self._outcome()
        yield from self._items()
        yield from self._citations()
        yield from self._found()
        yield from self._documents()

    def _words(self, text: str, style: Style = _BODY, look: Look | None = None) -> Words:
        return Words(self._fonts, [(text, style)], look)

    def _heading(self, text: str, level: int = 0) -> Heading:
        self._keys += 1
        return Heading(self._fonts, text, f"s{self._keys}", level)

    def _fact(self, label: str, value: object, style: Style = _SMALL) -> Words:
        text = str(value).rstrip("\n")
        if sum(each.width for each in self._fonts.cells(label, LABEL)) > _FACT.indent - 6:
            return Words(self._fonts, [(f"{label}\n", LABEL), (text, style)], _FACT)
        return Words(self._fonts, [(text, style)], replace(_FACT, label=label))

    def _opening(self) -> Iterator[Flowable]:
        answer, target = self._answer, self._answer["target"]
        kind = _TASKS.get(answer["asked"]["type"], "Answer")
        name = "Recorded " + (kind.lower() if kind != "Answer" else "answer")
        yield self._words(name, Style(19, bold=True, colour=ACCENT), Look(24, after=8))
        actor = answer["asked"]["actor"]
        groups = ", ".join(actor.get("groups", ())) or "none"
        how = ", ".join(each for each in (actor.get("auth"), actor.get("client")) if each)
        yield self._fact(
            "Asked by", f"{actor['id'] or 'unknown'} ({how or 'unknown'})", _SMALL_STRONG
        )
        yield self._fact("In the groups", groups)
        yield self._fact("Asked", shown_time(answer["asked"]["time"]))
        if answer["outcome"]["time"]:
            yield self._fact("Recorded as given", shown_time(answer["outcome"]["time"]))
        yield self._fact("Record", f"{target['seq']} ({target['type']}), {target['event_id']}")
        yield self._fact("Leaf hash", target["leaf_hash"], _TINY)
        yield self._fact("Log", answer["log"]["origin"])
        for note in answer["notes"]:
            look = Look(12, indent=10, before=4, after=4, bar=MARK)
            yield self._words(note, _SMALL_STRONG, look)

    def _question(self) -> Iterator[Flowable]:
        asked = self._answer["asked"]
        yield self._heading(_TASKS.get(asked["type"], "Question"))
        if asked["state"] != "open":
            yield self._words(unreadable(asked["state"]), _DIM)
        if asked["question"]:
            yield self._words(asked["question"], Style(11.5), Look(16, after=4))
        for label, value in pairs(asked["payload"]):
            yield self._fact(label, value)
        told = {"as_of": "As of the day", "collections": "Collections", "documents": "Documents",
                "task": "Kind of task"}  # fmt: skip
        for name, label in told.items():
            value = asked["fields"].get(name)
            if value not in (None, [], ""):
                yield self._fact(
                    label, ", ".join(map(str, value)) if isinstance(value, list) else value
                )
        understood = self._answer["outcome"]["understood"]
        if understood and understood != asked["question"]:
            yield self._fact("Understood as", understood)
        for number, turn in enumerate(asked["history"], 1):
            yield self._fact(f"Earlier question {number}", turn.get("question", ""))
            yield self._fact("Answered", turn.get("answer", ""))

    def _outcome(self) -> Iterator[Flowable]:
        outcome = self._answer["outcome"]
        yield self._heading("Answer" if outcome["type"] == "answer.released" else "Outcome")
        code = outcome["verdict"]
        words = VERDICTS[Verdict(code)][0] if code in Verdict.__members__ else ""
        if code:
            pieces = [(code, Style(10, bold=True, colour=ACCENT))]
            pieces += [(f"   {words}", _DIM)] if words else []
            yield Words(self._fonts, pieces, Look(14, after=4))
        if outcome["state"] != "open":
            yield self._words(unreadable(outcome["state"]), _DIM)
        elif not code:
            yield self._words("Completed.", _SMALL)
        if outcome["text"]:
            look = Look(15.5, indent=10, after=6, bar=ACCENT)
            yield self._words(outcome["text"], Style(10.5), look)
        if outcome["explanation"] and outcome["explanation"] != outcome["text"]:
            yield self._words(outcome["explanation"], _SMALL, Look(12))
        for conflict in outcome["conflicts"]:
            yield from self._conflict(conflict)
        if outcome["type"] == "answer.released":
            yield from self._gate(outcome)

    def _conflict(self, conflict: Data) -> Iterator[Flowable]:
        yield self._heading("The documents disagree", 1)
        yield self._words(str(conflict.get("sentence", "")), _SMALL, Look(12))
        for side in conflict["sides"]:
            since = f", in force from {side['since']}" if side.get("since") else ""
            value = f"{side['value']}  [{side['citation']}]  {side['source']}{since}"
            yield self._fact("States", value)

    def _gate(self, outcome: Data) -> Iterator[Flowable]:
        yield self._heading("What was checked before it was shown", 1)
        made = self._answer["made"]
        cited = "nothing is cited"
        if self._answer["citations"]:
            checked = "every quotation was held against its page, byte for byte"
            cited = checked if made.get("citations_checked") else "not recorded"
        yield self._fact("Citations", cited)
        removed = outcome["removed"]
        if outcome["state"] != "open":
            yield self._fact("Left out", ", ".join(made.get("removed", ())) or "nothing")
            return
        yield self._fact("Left out", counted(len(removed)) if removed else "nothing")
        for each in removed:
            detail = f" ({each['detail']})" if each.get("detail") else ""
            yield self._fact(f"  {each['reason']}"[:24], f"{each['text']}{detail}", _TINY)

    def _items(self) -> Iterator[Flowable]:
        items = self._answer["items"]
        if not items:
            return
        yield self._heading("Result, part by part")
        for item in items:
            yield self._heading(f"Record {item['seq']} ({item['type']})", 1)
            if item["state"] == "erased":
                yield self._words(unreadable("erased"), _DIM)
            rows = [*pairs(item["fields"]), *pairs(item["payload"])]
            for label, value in rows[:_MOST_ROWS]:
                yield self._fact(label, value, _TINY)
            if len(rows) > _MOST_ROWS:
                left = len(rows) - _MOST_ROWS
                yield self._words(f"{left} more values stand in answer.json.", _DIM)

    def _citations(self) -> Iterator[Flowable]:
        citations = self._answer["citations"]
        if not citations:
            return
        yield self._heading("Sources")
        for position, each in enumerate(citations, 1):
            number = f"[{position if each['number'] is None else each['number']}]  "
            pieces = [
                (number, _STRONG),
                (each["title"] or each["source"] or each["document"], _STRONG),
            ]
            yield Words(self._fonts, pieces, Look(13.5, before=4, after=1, keep=True))
            place = page_name(each["page"], each["label"])
            where = f"{each['source']} · {place} · characters {each['start']} to {each['end']}"
            yield self._words(where, _DIM, Look(12, after=2, keep=True))
            look = Look(13.5, indent=10, after=3, bar=MARK)
            yield self._words(each["quote"], Style(9.5), look)
            yield self._words(
                f"Document {each['document']}", Style(7.4, colour=FAINT), Look(10, after=1)
            )
            known = _STATES[each["state"]]
            style = _DIM if each["state"] == "same" else _SMALL_STRONG
            yield self._words(f"{known} {each['warning']}".strip(), style, Look(12))

    def _found(self) -> Iterator[Flowable]:
        found = self._answer["found"]
        if not found:
            return
        yield self._heading("Nearest passages")
        yield self._words("Found for the question, not cited: they do not answer it.", _DIM)
        for each in found:
            name = f"{each['title'] or each['source']}, page {each['page']}"
            yield self._words(name, _SMALL_STRONG, Look(12, before=3, after=1, keep=True))
            yield self._words(
                cut(each["text"], 900) or "The page is gone.", _SMALL, Look(12, indent=10)
            )

    def _documents(self) -> Iterator[Flowable]:
        documents = self._answer["documents"]
        if not documents:
            return
        yield self._heading("Documents")
        day = self._answer["made_by"].get("day", "")
        for each in documents:
            yield self._words(each["title"] or each["source"] or each["id"], _SMALL_STRONG,
                              Look(12, before=5, after=2, keep=True))  # fmt: skip
            yield self._fact("Source", each["source"] or "unknown")
            yield self._fact("SHA-256 of the file", each["id"], _TINY)
            then, now = each["then"], each["now"]
            if then:
                yield self._fact("When it was cited", standing(then))
            if now is None:
                yield self._fact(f"On {day}", "not in the catalogue any more (removed or erased)",
                                 _SMALL_STRONG)  # fmt: skip
            else:
                yield self._fact(f"On {day}", standing(now) + since(now))
            if each["file"]:
                yield self._fact("In this pack", each["file"])

    def models(self) -> Iterator[Flowable]:
        """Which models were asked, and what the answer was made with."""
        models, made = self._answer["models"], self._answer["made"]
        if not models and not made:
            return
        yield self._heading("How it was made")
        if not models:
            yield self._words("No language model was asked.", _SMALL)
        for model in models:
            yield self._words(f"Model call, record {model['seq']}", _SMALL_STRONG,
                              Look(12, before=5, after=2, keep=True))  # fmt: skip
            for name, value in ordered(model, CALL):
                if name.endswith("_milli"):
                    yield self._fact(in_words(name[:-6]), f"{value / 1000:g}", _TINY)
                elif name != "seq":
                    yield self._fact(in_words(name), value, _TINY)
        if "enough" in made:
            found = "enough" if made["enough"] else "not enough"
            share = made.get("enough_ppm", 0) / 10_000
            yield self._fact("Evidence found", f"{found} to answer ({share:.1f} %)", _TINY)
        for name, value in ordered(made, MADE):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            if name not in _TOLD_ELSEWHERE:
                yield self._fact(in_words(name), shown, _TINY)

    def page(self, number: int, page: Data) -> Iterator[Flowable]:
        """A cited page's caption, and its text where it has no picture."""
        place = page_name(page["page"], page["label"])
        kind = "Cited page" if page["cited"] else "Page found"
        yield self._heading(f"{kind} {number}: {page['title'] or page['source'] or place}")
        if page["state"] == "gone":
            yield self._words(f"Page {page['page']} of {page['document']} is gone.", _SMALL_STRONG)
            return
        about = f"{page['source']} · {place} ({page['page']} of {page['pages']})"
        unmarked = "" if page["marked"] or not page["image_file"] else " · place not marked"
        yield self._words(about + unmarked, _DIM, Look(11, after=2, keep=True))
        look = Look(10, after=2, keep=True)
        yield self._words(f"{page['document']}", Style(7, colour=FAINT), look)
        if not page["image_file"]:
            text = self._read(page["text_file"]).decode("utf-8", "replace")
            yield Words(self._fonts, marked(text, page["spans"]), Look(13, panel=True))

    def proof(self) -> Iterator[Flowable]:
        """The records, what proves them, and how to verify it."""
        answer, target = self._answer, self._answer["target"]
        yield self._heading("Records of this request")
        for each in answer["records"]:
            text = {"open": "text in this pack", "erased": "text erased", "none": "no text"}
            value = (
                f"{each['type']} · {shown_time(each['time'])} · {each['actor']} · "
                + text[each["payload"]]
            )
            yield self._fact(str(each["seq"]), value, _TINY)
        for each in answer["pruned"]:
            value = f"removed by retention (record {each['removed_by']}) · hash {each['hash']}"
            yield self._fact(str(each["seq"]), value, _TINY)
        yield self._heading(f"The record {target['seq']}, byte for byte")
        lines = self._read("records.jsonl").split(b"\n")
        envelope = next(each for each in lines if seq(each) == target["seq"])
        yield self._words(envelope.decode("utf-8", "replace"), _TINY, Look(10, panel=True))
        yield self._heading("Proof that it stands in the log")
        proof = self._read(f"proofs/record-{target['seq']}.proof").split(b"\n\n", 1)[0].split(b"\n")
        yield self._words(
            "The SHA-256 of these bytes (with a zero byte before them, RFC 9162) and the hashes "
            "below, combined upwards, give the root that the checkpoint states and the log's key "
            "signed.", _SMALL, Look(12),
        )  # fmt: skip
        for number, step in enumerate(proof[3:], 1):
            yield self._fact(f"Hash {number}", step.decode("ascii", "replace"), _TINY)
        yield self._heading("Checkpoint", 1)
        note = self._read("checkpoint.note").decode("utf-8", "replace").rstrip("\n")
        yield self._words(note, _TINY, Look(10.5, panel=True))
        if answer["anchored"] is not None:
            told = answer["anchored"]
            value = (f"A checkpoint of {told['size']} records was sent to {told['anchor']} before; "
                     "the hashes in answer.json lead from it to the one above.")  # fmt: skip
            yield self._words(value, _SMALL, Look(12))
        yield self._heading("How to verify")
        for line in _HOW:
            commands = line.startswith("sha256sum")
            look = Look(12.5, after=6, panel=commands)
            yield self._words(
                line.format(seq=target["seq"], epoch=answer["log"]["epoch"]), _SMALL, look
            )


_HOW = (
    "This document is one file of a pack. With the whole folder, Python 3.11 and its package "
    "cryptography, and neither Cloister nor a network, run in the folder:",
    "sha256sum --check --quiet SHA256SUMS\n"
    "python3 cloister-verify.pyz --proof proofs/record-{seq}.proof --key keys/epoch-{epoch}.pub\n"
    "python3 check.pyz . keys/epoch-1.pub",
    "Proven thereby: the records stand in the log, byte for byte, at these numbers; the texts "
    "shown are those that were recorded; the quotations stand in the text of the pages; no file of "
    "the pack was changed since it was made.",
    "Not proven: that somebody who holds the log's signing key did not make it all up, which a "
    "public key and a checkpoint that were kept elsewhere show; that an answer is right.",
    "The pack holds the texts of these records and the keys that open them: guard it as you would "
    "the documents themselves.",
)
