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

from assistant.answer import (
    Answer,
    Citation,
    Conflict,
    Offer,
    Passage,
    Sentence,
    Side,
    Stage,
    Verdict,
)
from assistant.errors import ModelBusy
from assistant.model_status import ModelStatus
from ui.turn import WAITING, View

VERDICTS = {
    Verdict.ANSWERED: ("Answered from your documents", "answered"),
    Verdict.QUOTED: ("Quoted from your documents", "quoted"),
    Verdict.ABSTAINED: ("Not in your documents", "abstained"),
    Verdict.REFUSED: ("Not answered", "refused"),
    Verdict.FAILED: ("Something went wrong", "failed"),
}
OFFERED = ("A question to every document", "offered")  # no document lacks what it asks for
STAGES = {
    "searching": ("Searching your documents", "Searched your documents"),
    "reading": ("Reading {n}", "Read {n}"),
    "writing": ("Writing", "Wrote a draft"),
    "escalating": ("Asking the larger model", "Asked the larger model"),
    "checking": ("Checking every statement", "Checked every statement"),
}
QUOTE_SHOWN = 220  # characters of a quote in the list of sources
LOADING = "Loading the language model"
_BUSY = str(ModelBusy(0)).partition("(")[0]  # how the sentence of a full line begins


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


def told(sentence: str) -> str:
    """A sentence of ours like `flat`, with what stands between backticks set as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", flat(sentence))


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
    words, kind = headline(answer)
    then = f' <span class="then">as of {flat(answer.as_of)}</span>' if answer.as_of else ""
    parts = [_understood(answer), f'<p class="verdict v-{kind}">{words}{then}</p>']
    explained = reasons(answer)
    if explained and was_busy(answer):
        parts.append(f'<p class="busy">{told(explained)}</p>')
    if answer.sentences:
        parts.append(_sentences(view, answer.sentences, answer.verdict is Verdict.QUOTED))
    elif answer.verdict is not Verdict.FAILED and answer.text:
        parts.append(f'<p class="says">{plain(answer.text)}</p>')
    parts += [_conflict(view.number, each, answer.citations) for each in answer.conflicts]
    if answer.offer is not None:
        parts.append(_offer(view.number, answer.offer))
    if explained and not was_busy(answer):
        parts.append(f'<p class="why">{told(explained)}</p>')
    if answer.citations:
        parts.append(_sources("Sources", [_source(view.number, c) for c in answer.citations]))
    if answer.nearest:
        near = [_nearest(view.number, p) for p in answer.nearest]
        parts.append(_sources("Nearest passages", near))
    parts.append(_how(answer))
    return parts


def headline(answer: Answer) -> tuple[str, str]:
    """What the answer is in a few words, and the class that it is drawn with."""
    return VERDICTS[answer.verdict] if answer.offer is None else OFFERED


def reasons(answer: Answer) -> str:
    """The explanation without what is said elsewhere: the answer's text, and its conflicts."""
    said = answer.explanation if answer.explanation != answer.text else ""
    for conflict in answer.conflicts:
        said = said.replace(conflict.sentence, "") if conflict.sentence else said
    return " ".join(said.split())


def _understood(answer: Answer) -> str:
    if not answer.understood:
        return ""
    return f'<p class="understood">Understood as: <span>{flat(answer.understood)}</span></p>'


def conflict_words(conflict: Conflict) -> str:
    """The heading of a conflict."""
    if conflict.kind == "versions":
        return "Versions of a document differ"
    return "Your documents disagree"


def _conflict(turn_number: int, conflict: Conflict, citations: Sequence[Citation]) -> str:
    """A conflict as a table of its sides. A side whose citation is not there opens nothing."""
    cited = {citation.number: citation for citation in citations}
    rows = "".join(_side(turn_number, each, cited.get(each.citation)) for each in conflict.sides)
    columns = "".join(
        f'<th role="columnheader" scope="col">{name}</th>'
        for name in ("States", "Document", "In force")
    )
    return (
        f'<div class="conflict"><h3>{conflict_words(conflict)}</h3><p>{flat(conflict.sentence)}</p>'
        f'<table role="table"><thead role="rowgroup"><tr role="row">{columns}</tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table></div>'
    )


def _side(turn_number: int, side: Side, citation: Citation | None) -> str:
    title, chip, place = side.source, "", ""
    if citation is not None:
        name = page_name(citation.page, citation.label)
        title = citation.title or citation.source
        chip = chip_of(turn_number, citation.number, f"{title}, {name}")
        place = f' <span class="place">{flat(name)}</span>'
    return (
        f'<tr role="row"><th role="rowheader" scope="row">{flat(side.value)}</th>'
        f'<td role="cell"><span class="title">{flat(title)}</span>{place}{chip}</td>'
        f'<td role="cell">{_days(in_force(side, citation))}</td></tr>'
    )


def _days(told: Sequence[str]) -> str:
    days = "".join(f'<span class="day">{flat(each)}</span> ' for each in told)
    return days or "no dates stated"


def in_force(side: Side, citation: Citation | None) -> list[str]:
    """From when and until when the document of a side is in force, as far as that is known."""
    force = citation.force if citation is not None else None
    since = side.since or (force.effective_from if force else None) or ""
    until = (force.superseded_on or force.effective_to or "") if force else ""
    told = [f"since {since}" if since else "", f"until {until}" if until else ""]
    return [each for each in told if each]


def _offer(turn_number: int, offer: Offer) -> str:
    """The button of an offer; its sentence is the answer's text."""
    if offer.task != "sweep":
        return ""
    return (
        f'<p class="offer"><button type="button" class="sweep" value="{turn_number}">'
        f"Read all {offer.documents:,} documents</button></p>"
    )


def _sentences(view: View, sentences: Sequence[Sentence], quoted: bool = False) -> str:
    if not sentences:
        return ""
    titles = {c.number: f"{c.title}, {page_name(c.page, c.label)}" for c in view.citations}
    shown = []
    for sentence in sentences:
        known = [number for number in sentence.citations if number in titles]
        chips = "".join(chip_of(view.number, number, titles[number]) for number in known)
        shown.append(f'<span class="sentence">{plain(sentence.text.strip())}{chips}</span>')
    if quoted:
        return "".join(f'<blockquote class="says">{s}</blockquote>' for s in shown)
    return f'<p class="says">{" ".join(shown)}</p>'


def chip_of(turn_number: int, number: int, title: str) -> str:
    """The button that opens a citation of a turn."""
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
    *past, last = view.stages
    rows = [f'<li class="past">{plain(stage_words(stage)[1])}</li>' for stage in past]
    told = " told" if view.loading or last.name == WAITING else ""  # said aloud at each change
    rows.append(f'<li class="now{told}">{plain(now_words(view))}</li>')
    return f'<ol class="stages">{"".join(rows)}</ol>'


def now_words(view: View) -> str:
    """What is happening in an unfinished turn that has a stage."""
    return LOADING if view.loading else stage_words(view.stages[-1])[0]


def stage_words(stage: Stage) -> tuple[str, str]:
    """What a stage is called while it lasts, and afterwards."""
    if stage.name == WAITING:
        return line_words(stage.count), "Waited for your turn"
    now, past = STAGES.get(stage.name, (stage.name.capitalize(), stage.name.capitalize()))
    count = "1 passage" if stage.count == 1 else f"{stage.count or ''} passages".strip()
    return now.replace("{n}", count), past.replace("{n}", count)


def line_words(ahead: int) -> str:
    """Where a reader stands in the line before the model."""
    if not ahead:
        return "It is your turn: writing"
    if ahead == 1:
        return "Waiting for the model: 1 question is ahead of yours"
    return f"Waiting for the model: {ahead} questions are ahead of yours"


def was_busy(answer: Answer) -> bool:
    """Whether the line was too long for this question, so that no model wrote the answer."""
    return answer.explanation.startswith(_BUSY)


def _how(answer: Answer) -> str:
    facts: list[tuple[str, str]] = []
    if answer.model:
        facts.append(("Model", _model_words(answer)))
    elif answer.verdict in (Verdict.ABSTAINED, Verdict.QUOTED):
        facts.append(("Model", "not asked"))
    facts += cost_facts(answer)
    if answer.removed:
        facts.append(("Left out", _left_out(len(answer.removed))))
    if answer.record:
        facts.append(("Record", answer.record))
    if not facts:
        return ""
    rows = "".join(f"<dt>{name}</dt><dd>{flat(value)}</dd>" for name, value in facts)
    return f'<details class="how"><summary>How this was answered</summary><dl>{rows}</dl></details>'


def _model_words(answer: Answer) -> str:
    """Whose words these are. Why a larger model was asked, the explanation tells."""
    if not answer.cost.escalated:
        return answer.model
    spoke = answer.verdict is Verdict.ANSWERED  # only what the smaller one could not say is asked
    return f"{answer.model}, {'the larger one' if spoke else 'and the larger one'}"


def cost_facts(answer: Answer) -> list[tuple[str, str]]:
    """What an answer took: its time, and as far as it is known what the model read, wrote and
    used."""
    facts: list[tuple[str, str]] = []
    total = answer.timings.get("total") or sum(answer.timings.values())
    cost = answer.cost
    if total:
        within = f", {cost.seconds_model:.1f} s of it in the model" if cost.seconds_model else ""
        facts.append(("Time", f"{total:.1f} s{within}"))
    if cost.prompt_tokens:
        tokens = f"{cost.prompt_tokens:,} read, {cost.completion_tokens:,} written"
        facts.append(("Tokens", tokens))
    if cost.joules is not None:
        facts.append(("Energy", f"{_quantity(cost.joules)} J (GPU)"))
    return facts


def _quantity(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


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


def model(status: ModelStatus) -> str:
    """The line that says which model answers, and how it stands."""
    name = flat(status.name) or "The language model"
    words = {
        "idle": "not loaded yet",
        "loading": "is loading",
        "ready": f"{status.waiting} in line" if status.waiting else "",
        "failed": "cannot run",
    }[status.state]
    state = f' <span class="state">{words}</span>' if words else ""
    return f'<span class="model m-{status.state}"><span class="name">{name}</span>{state}</span>'


def notes(sentences: Sequence[str]) -> str:
    """What was decided otherwise than configured, above the conversation."""
    rows = "".join(f"<p>{told(sentence)}</p>" for sentence in sentences)
    return f'<div class="notes">{rows}</div>' if rows else ""
