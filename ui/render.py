"""Answers as HTML. Every character that a document, a model or a person wrote is escaped here.

The page's Markdown component passes one block of HTML through unchanged if that block holds no line
end, and cleans it once more in the browser. So this module writes one line, with no link, no image
and no attribute that holds anything but fixed words, numbers and escaped titles. What is not drawn
here cannot appear: a `[3]`, a `<b>` or a `![](...)` in a text stays the characters that it is.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

from assistant.answer import Answer, Citation, Passage, Sentence, Stage, Verdict
from ui.turn import View

VERDICTS = {
    Verdict.ANSWERED: ("Answered from your documents", "answered"),
    Verdict.QUOTED: ("Quoted from your documents", "quoted"),
    Verdict.ABSTAINED: ("Not in your documents", "abstained"),
    Verdict.REFUSED: ("Not answered", "refused"),
    Verdict.FAILED: ("Something went wrong", "failed"),
}
STAGES = {
    "searching": ("Searching your documents", "Searched your documents"),
    "reading": ("Reading {n}", "Read {n}"),
    "writing": ("Writing", "Wrote a draft"),
    "checking": ("Checking every statement", "Checked every statement"),
}
QUOTE_SHOWN = 220  # characters of a quote in the list of sources


def plain(text: str) -> str:
    """`text` as HTML that shows exactly its characters, on one line; line ends become `<br>`.

    Control characters become spaces and reordering marks are dropped, so that nothing can end the
    line, hide or turn round what follows.
    """
    kept = []
    for character in text.replace("\r\n", "\n"):
        kind = unicodedata.category(character)
        if character == "\n":
            kept.append("<br>")
        elif kind in ("Cc", "Zl", "Zp"):
            kept.append(" ")
        elif kind not in ("Cf", "Cs") or character in "\u00ad\u200c\u200d":
            kept.append(html.escape(character))
    return "".join(kept)


def flat(text: str) -> str:
    """Like `plain`, with every run of white space made one space."""
    return plain(" ".join(text.split()))


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters of `text` on one line, cut at a word, with an ellipsis."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    cut = line[:limit].rsplit(" ", 1)[0]
    return f"{cut.rstrip(' ,;:.')}…"


def page_name(page: int, label: str) -> str:
    """How a place is named: 'page 4', 'page 4 (iv)', or the heading of a format without pages."""
    if not label or label == str(page):
        return f"page {page}"
    if re.fullmatch(r"[\divxlcdmIVXLCDM.\-–A-Z]{1,8}", label):
        return f"page {page} ({label})"
    return shortened(label, 60)


def turn(view: View) -> str:
    """One question and what has become of it, as one line of HTML."""
    parts = [
        '<div class="turn">',
        f'<h2 class="question">{plain(view.question)}</h2>',
        '<div class="answer">',
    ]
    if view.answer is None:
        parts += [_sentences(view, view.sentences), _progress(view)]
    else:
        parts += _finished(view, view.answer)
    return "".join([*parts, "</div></div>"])


def _finished(view: View, answer: Answer) -> list[str]:
    words, kind = VERDICTS[answer.verdict]
    then = f' <span class="then">as of {flat(answer.as_of)}</span>' if answer.as_of else ""
    parts = [f'<p class="verdict v-{kind}">{words}{then}</p>']
    if answer.sentences:
        parts.append(_sentences(view, answer.sentences, answer.verdict is Verdict.QUOTED))
    elif answer.verdict is not Verdict.FAILED and answer.text:
        parts.append(f'<p class="says">{plain(answer.text)}</p>')
    if answer.explanation and answer.explanation != answer.text:
        parts.append(f'<p class="why">{flat(answer.explanation)}</p>')
    if answer.citations:
        parts.append(_sources("Sources", [_source(view.number, c) for c in answer.citations]))
    if answer.nearest:
        near = [_nearest(view.number, p) for p in answer.nearest]
        parts.append(_sources("Nearest passages", near))
    parts.append(_how(answer))
    return parts


def _sentences(view: View, sentences: Sequence[Sentence], quoted: bool = False) -> str:
    if not sentences:
        return ""
    titles = {c.number: f"{c.title}, {page_name(c.page, c.label)}" for c in view.citations}
    shown = []
    for sentence in sentences:
        chips = "".join(_chip(view.number, n, titles[n]) for n in sentence.citations if n in titles)
        shown.append(f'<span class="sentence">{plain(sentence.text.strip())}{chips}</span>')
    if quoted:
        return "".join(f'<blockquote class="says">{s}</blockquote>' for s in shown)
    return f'<p class="says">{" ".join(shown)}</p>'


def _chip(turn_number: int, number: int, title: str) -> str:
    return (
        f'<button type="button" class="chip" value="{turn_number}:a{number}" '
        f'title="{flat(title)}">{number}</button>'
    )


def _sources(heading: str, items: Sequence[str]) -> str:
    rows = "".join(f"<li>{item}</li>" for item in items)
    return f'<div class="sources"><h3>{heading}</h3><ul>{rows}</ul></div>'


def _source(turn_number: int, citation: Citation) -> str:
    place = page_name(citation.page, citation.label)
    return _row(
        f"{turn_number}:a{citation.number}", str(citation.number), citation, place, citation.quote
    )


def _nearest(turn_number: int, passage: Passage) -> str:
    place = page_name(passage.page, passage.label)
    return _row(f"{turn_number}:n{passage.rank}", "", passage, place, passage.text)


def _row(key: str, number: str, what: Citation | Passage, place: str, quote: str) -> str:
    mark = f'<span class="number">{number}</span>' if number else ""
    title = what.title or what.source
    doubt = f'<span class="doubt">{flat(what.warning)}</span>' if what.warning else ""
    return (
        f'<button type="button" class="source" value="{key}">{mark}'
        f'<span class="body"><span class="name"><span class="title">{flat(title)}</span> '
        f'<span class="place">{flat(place)}</span></span>'
        f'<span class="quote">{plain(shortened(quote, QUOTE_SHOWN))}</span>{doubt}</span></button>'
    )


def _progress(view: View) -> str:
    if not view.stages:
        return '<ol class="stages"><li class="now">Starting</li></ol>'
    rows = []
    for place, stage in enumerate(view.stages):
        now, past = stage_words(stage)
        last = place == len(view.stages) - 1
        kind, words = ("now", now) if last else ("past", past)
        rows.append(f'<li class="{kind}">{plain(words)}</li>')
    return f'<ol class="stages">{"".join(rows)}</ol>'


def stage_words(stage: Stage) -> tuple[str, str]:
    """What a stage is called while it lasts, and afterwards."""
    now, past = STAGES.get(stage.name, (stage.name.capitalize(), stage.name.capitalize()))
    count = "1 passage" if stage.count == 1 else f"{stage.count or ''} passages".strip()
    return now.replace("{n}", count), past.replace("{n}", count)


def _how(answer: Answer) -> str:
    facts: list[tuple[str, str]] = []
    if answer.model:
        facts.append(("Model", answer.model))
    elif answer.verdict in (Verdict.ABSTAINED, Verdict.QUOTED):
        facts.append(("Model", "not asked"))
    total = answer.timings.get("total") or sum(answer.timings.values())
    if total:
        facts.append(("Time", f"{total:.1f} s"))
    if answer.removed:
        facts.append(("Left out", _left_out(len(answer.removed))))
    if answer.record:
        facts.append(("Record", answer.record))
    if not facts:
        return ""
    rows = "".join(f"<dt>{name}</dt><dd>{flat(value)}</dd>" for name, value in facts)
    return f'<details class="how"><summary>How this was answered</summary><dl>{rows}</dl></details>'


def _left_out(count: int) -> str:
    if count == 1:
        return "1 sentence of the model that the documents do not support"
    return f"{count} sentences of the model that the documents do not support"


def welcome(examples: Sequence[str], documents: int) -> str:
    """The empty state: what this is, how much it has read, and questions to start with."""
    if documents:
        count = "1 document" if documents == 1 else f"{documents:,} documents"
        lead = (
            f"Answers come from the {count} you may read, with the exact place for every "
            "statement. What the documents do not say is not answered."
        )
        title = "Ask your documents"
    else:
        title = "No documents yet"
        lead = (
            "Add some in the terminal with <code>cloister ingest add FOLDER</code>, "
            "then ask here; nothing needs to be restarted."
        )
    buttons = "".join(
        f'<li><button type="button" class="example" value="{n}">{flat(text)}</button></li>'
        for n, text in enumerate(examples)
    )
    tries = f'<h2 class="tries">Try</h2><ul class="examples">{buttons}</ul>' if buttons else ""
    return f'<div class="welcome"><h1>{title}</h1><p>{lead}</p>{tries if documents else ""}</div>'


def note(sentence: str) -> str:
    """One sentence to the reader, where the next turn would be."""
    return f'<div class="turn"><p class="note">{flat(sentence)}</p></div>'
