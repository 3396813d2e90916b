"""Contracts and policies written from templates: what `extract` gives for each field.

    python benchmarks/extract.py [--documents N] [--seed N] [--rules-only] [--wrong]

Documents of five kinds in several wordings each (prose, numbered clauses, a form, a table), filled
with random parties, days, amounts, periods, law and clauses, so that each field's truth is known.
In every document some fields are left out, and in some one field is stated twice differently; then
null is right. They are ingested into a new data folder and extracted with the default model. The
alternative in the same run is the plain way: the whole text in the prompt of the same model, held
to the same schema, every value believed.

Right-or-null counts fields whose value is right, or null; right counts those that the document
states once; invented are values that do not stand in the document. Prints one JSON object; ends
with 1 unless right-or-null is at least 0.97, right at least 0.80 of those stated, and nothing is
invented.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from extract_documents import MONTHS, SCHEMA, Written, document

RIGHT_OR_NULL, RIGHT = 0.97, 0.80


def right(name: str, truth: Any, value: Any) -> bool:
    """Whether a value is the true one. A name or law may be given with the words that belong to
    it ("laws of Germany"), a period as it is written."""
    if isinstance(truth, str) and isinstance(value, str):
        plain = " ".join(value.lower().replace("(", "").replace(")", "").split())
        wanted = truth.lower()
        if name == "payment_term":
            days = wanted.split()[0]
            return plain.split()[-1:] == ["days"] and days in plain.split()
        if name == "governing_law":
            return (
                plain.removeprefix("the ")
                .removeprefix("laws of ")
                .removeprefix("law of ")
                .removeprefix("the ")
                == wanted
            )
        return plain.rstrip(".") == wanted.rstrip(".")
    return type(value) is not str and value is not None and value == truth


def stands_in(value: Any, text: str) -> bool:
    """Whether a value stands in a text in any spelling, by a reading of its own: digits and words,
    no code of the product's."""
    plain = " ".join(text.lower().split())
    if isinstance(value, bool):
        return True
    if isinstance(value, (int, float)):
        shown = {f"{value:g}", f"{value:,.0f}", f"{value / 1e6:g} million", f"{value:.2f}"}
        return any(each in plain for each in shown)
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return " ".join(value.lower().split()) in plain
    month = MONTHS[day.month - 1].lower()
    shown = {
        value, f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}",
        f"{day.day}.{day.month}.{day.year}",
    }  # fmt: skip
    return any(each in plain for each in shown)


@dataclass
class Counts:
    """Fields by outcome."""

    fields: int = 0
    stated: int = 0
    right: int = 0
    right_or_null: int = 0
    invented: int = 0
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def take(self, written: Written, name: str, value: Any) -> None:
        """Count what was given for one field of one document."""
        truth = written.truth[name]
        good = truth is not None and right(name, truth, value)
        self.fields += 1
        self.stated += truth is not None
        self.right += good
        self.right_or_null += good or value is None
        self.invented += value is not None and not stands_in(value, written.text)
        if value is None and truth is not None:
            self.missed.append(f"{written.name} {name}: {truth!r}")
        elif not good and value is not None:
            self.wrong.append(f"{written.name} {name}: {value!r}, not {truth!r}")

    def figures(self) -> dict[str, float | int]:
        """Shares over all fields."""
        return {
            "fields": self.fields,
            "stated": self.stated,
            "right_or_null": round(self.right_or_null / max(1, self.fields), 4),
            "right": round(self.right / max(1, self.stated), 4),
            "invented": self.invented,
        }


def plain_chain(model: Any, text: str, budget: int) -> dict[str, Any]:
    """The alternative: the schema and the text in one prompt, the answer held to the schema."""
    from assistant.model import Sampling

    asked = json.loads(json.dumps(SCHEMA))
    for each in asked["properties"].values():
        kind = {key: each[key] for key in ("type", "enum") if key in each}
        kind |= {"maxLength": 60} if kind.get("type") == "string" else {}
        each.clear()
        each.update({"anyOf": [kind, {"type": "null"}]})
    asked["required"] = [*asked["properties"]]
    user = (
        f"Extract these fields as JSON; use null where the text does not state one.\n"
        f"{json.dumps(SCHEMA['properties'])}\n\nText:\n{text[:6000]}\n\nJSON:"
    )
    sampling = Sampling(max_tokens=budget, json_schema=json.dumps(asked))
    with model.generate("You extract fields from documents.", user, sampling) as stream:
        written = "".join(stream)
    try:
        found = json.loads(written)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def measured(
    written: list[Written], home: Path, rules_only: bool, chain: bool
) -> dict[str, Counts]:
    """Counts for `extract` and, with `chain`, for the plain way."""
    from assistant.answer import Asker
    from assistant.answering import Policy
    from assistant.compose import chooser, engine
    from assistant.extract import Request, Result, run
    from assistant.settings import AssistantSettings
    from assistant.task import Parts
    from audit.compose import open_log
    from index.compose import open_index

    settings = AssistantSettings.load(home)
    counts = {"extract": Counts()} | ({"plain": Counts()} if chain else {})
    model = engine(settings, chooser(settings, home), None)
    library = open_index(home)
    try:
        with open_log(home) as log:
            asker = Asker("benchmark", frozenset({"local"}), "local-user")
            request = Request(asker, json.dumps(SCHEMA), rules_only=rules_only)
            events = run(Parts(library, log, model, Policy()), request, lambda: False)
            result = next(each for each in events if isinstance(each, Result))
        forms = {form.source.split("/")[-1]: form.object for form in result.forms}
        for each in written:
            for name in SCHEMA["properties"]:
                counts["extract"].take(each, name, forms[each.name][name])
            if chain:
                found = plain_chain(model, each.text, 400)
                for name in SCHEMA["properties"]:
                    counts["plain"].take(each, name, found.get(name))
    finally:
        model.close()
        library.close()
    return counts


def ingest(written: list[Written], home: Path) -> None:
    """Put the documents into a new data folder."""
    import subprocess

    folder = home / "written"
    folder.mkdir(parents=True)
    for each in written:
        (folder / each.name).write_text(each.text, encoding="utf-8")
    command = [sys.executable, "-m", "ui.main", "--home", str(home), "ingest", "add", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--seed", type=int, default=2_025)
    parser.add_argument("--rules-only", action="store_true", help="do not ask the model")
    parser.add_argument("--no-chain", action="store_true", help="without the alternative")
    parser.add_argument("--wrong", action="store_true", help="list what was wrong or missed")
    options = parser.parse_args()
    dice = random.Random(options.seed)
    written = [document(dice, number) for number in range(options.documents)]
    with tempfile.TemporaryDirectory(prefix="extract-") as scratch:
        home = Path(scratch)
        ingest(written, home)
        counts = measured(written, home, options.rules_only, not options.no_chain)
    if options.wrong:
        for line in (*counts["extract"].wrong, "--", *counts["extract"].missed):
            sys.stderr.write(line + "\n")
    figures = {name: each.figures() for name, each in counts.items()}
    print(json.dumps(figures))
    ours = figures["extract"]
    held = (
        ours["right_or_null"] >= RIGHT_OR_NULL and ours["right"] >= RIGHT and not ours["invented"]
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
