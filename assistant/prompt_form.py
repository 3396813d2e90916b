"""What a prompt file is: its kinds, its checks and its digest. Pure.

A prompt file is TOML with `id`, `version` (1, 2, ...), `kind`, `system`, the parts that its kind
demands, `stop` and `notes`. A part is a text with placeholders in braces, as `str.format` fills
them; only the plain names that the kind knows are allowed, so that a file cannot reach into the
program. A part in which text of documents is put must keep it inside the fence, see `_check_fence`;
only the kind "plain" has no fence, whose answers are compared and never shown as answers.

The digest is SHA-256 over the canonical content: name, system, parts in the order of the kind,
stop strings, joined by zero characters, which no text may hold; before them the kind, except for
"answer", whose digests are older than kinds. Notes, order and spelling of the file do not count.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

from assistant.errors import PromptUnusable
from assistant.packing import Block

MOST_BYTES = 64 << 10  # of a prompt file
_MOST_CHARACTERS = 16_000  # of one text
_MOST_STOPS = 16

ID = re.compile(r"[a-z][a-z0-9-]{0,47}")
NAME = re.compile(r"[a-z][a-z0-9-]{0,47}-[1-9][0-9]{0,5}")
_FENCE = re.compile(r"<(?=\s*/?\s*passage|\|)|(?<=\|)>", re.IGNORECASE)
_FENCED = re.compile(r"\s*<passage\b[^<>]*>[^<>]*\{text\}[^<>]*</passage>\s*", re.DOTALL)
_LONGEST_TITLE = 80
_OF_LINES = frozenset({"text", "conversation", "labels"})  # placeholders that keep their lines


@dataclass(frozen=True, slots=True)
class Part:
    """A text of a prompt: placeholders that it must have, and that it may have besides. `fence`
    says that text of documents is put into it."""

    name: str
    must: frozenset[str]
    may: frozenset[str] = frozenset()
    fence: bool = False


_PASSAGE = Part("passage", frozenset({"text"}), frozenset({"number", "title"}), fence=True)

# In the order in which they follow each other in a prompt; what is asked comes last.
KINDS: Mapping[str, tuple[Part, ...]] = {
    "answer": (_PASSAGE, Part("question", frozenset({"question"}))),
    "rewrite": (Part("question", frozenset({"conversation"})),),
    "summarise": (_PASSAGE, Part("task", frozenset({"count"}), frozenset({"s", "title"}))),
    "extract": (_PASSAGE, Part("task", frozenset({"label"}), frozenset({"question", "title"}))),
    "classify": (_PASSAGE, Part("task", frozenset({"labels"}), frozenset({"title"}))),
    "plain": (
        Part("passage", frozenset({"text"}), frozenset({"number", "title"})),
        Part("question", frozenset({"context", "question"})),
    ),
}


@dataclass(frozen=True, slots=True)
class PromptSet:
    """One version of a prompt: its texts, and the digest that tells it from any other.

    `parts` holds the parts of its kind by name. Made by `parse`, which checks it.
    """

    kind: str
    id: str
    version: int
    system: str
    parts: Mapping[str, str]
    stop: tuple[str, ...]
    notes: str = ""

    @property
    def name(self) -> str:
        """Such as "answer-1": what files, people and records call it."""
        return f"{self.id}-{self.version}"

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the canonical content: what a record names as the prompt's template."""
        texts = [self.parts[part.name] for part in KINDS[self.kind]]
        whole = [self.name, self.system, *texts, *self.stop]
        if self.kind != "answer":
            whole.insert(0, self.kind)
        return hashlib.sha256("\x00".join(whole).encode()).hexdigest()

    def fill(self, part: str, /, **values: object) -> str:
        """A part with its placeholders filled: every text put in is fenced, and brought onto one
        line but for those of several lines; a title is cut. KeyError for a part that the kind does
        not have."""
        shown = {name: fenced(str(value)) for name, value in values.items()}
        shown |= {
            name: " ".join(value.split()) for name, value in shown.items() if name not in _OF_LINES
        }
        if "title" in shown:
            shown["title"] = shown["title"][:_LONGEST_TITLE]
        return self.parts[part].format(**shown)

    def passage(self, number: int, block: Block) -> str:
        """One passage in its fence."""
        text = "\n".join(line.text for line in block.lines)
        return self.fill("passage", number=number, title=block.title, text=text)

    def passages(self, blocks: Sequence[Block]) -> str:
        """The passages one after the other, numbered from 1."""
        return "".join(self.passage(number, block) for number, block in enumerate(blocks, start=1))

    def user(self, blocks: Sequence[Block], question: str) -> str:
        """Everything that follows the system prompt of a kind that has a question: the passages,
        best first, and the question."""
        return self.passages(blocks) + self.fill("question", question=question)


def fenced(text: str) -> str:
    """`text` with everything broken up that could close the fence or pass for a control token."""
    return _FENCE.sub(lambda mark: "(" if mark.group() == "<" else ")", text)


def parse(data: bytes, where: object) -> PromptSet:
    """The prompt in a file's bytes, checked. Raises PromptUnusable, which names `where`."""
    try:
        found = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise PromptUnusable(where, f"it is not TOML: {error}") from error
    kind = found.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise PromptUnusable(where, f"its `kind` is not one of {', '.join(KINDS)}")
    parts = KINDS[kind]
    texts = ("system", *(part.name for part in parts))
    known = {"id", "version", "kind", "stop", "notes", *texts}
    if set(found) - known:
        raise PromptUnusable(where, f"nothing here is called `{min(set(found) - known)}`")
    id_, version = found.get("id"), found.get("version")
    if not isinstance(id_, str) or not ID.fullmatch(id_):
        raise PromptUnusable(where, "its `id` is not of lower case letters, digits and hyphens")
    if type(version) is not int or not 1 <= version <= 999_999:
        raise PromptUnusable(where, "its `version` is not a number from 1")
    for name in texts:
        _check_text(where, name, found.get(name))
    for part in parts:
        _check_part(where, part, found[part.name])
    return PromptSet(
        kind=kind,
        id=id_,
        version=version,
        system=found["system"],
        parts={part.name: found[part.name] for part in parts},
        stop=_stop(where, found.get("stop", [])),
        notes=_notes(where, found.get("notes", "")),
    )


def _check_text(where: object, name: str, text: object) -> None:
    if not isinstance(text, str) or not text.strip():
        raise PromptUnusable(where, f"its `{name}` is missing or empty")
    if len(text) > _MOST_CHARACTERS:
        raise PromptUnusable(where, f"its `{name}` has more than {_MOST_CHARACTERS:,} characters")
    if any(ord(each) < 32 and each not in "\n\t" for each in text):
        raise PromptUnusable(where, f"its `{name}` holds a control character")
    if "<|" in text or "|>" in text:
        raise PromptUnusable(where, f"its `{name}` holds a control token of a chat template")


def _check_part(where: object, part: Part, text: str) -> None:
    """Its placeholders are those of the kind, plain names each; the fence is intact."""
    try:
        fields = [field for field in Formatter().parse(text) if field[1] is not None]
    except ValueError as error:
        raise PromptUnusable(where, f"the braces in its `{part.name}` do not match") from error
    plain = all(not field[2] and not field[3] for field in fields)
    names = {str(field[1]) for field in fields}
    if not plain or names - part.must - part.may:
        wanted = ", ".join(f"{{{name}}}" for name in sorted(part.must | part.may))
        raise PromptUnusable(where, f"its `{part.name}` may hold {wanted} and no other braces")
    if missing := part.must - names:
        raise PromptUnusable(where, f"its `{part.name}` lacks {{{min(missing)}}}")
    _check_fence(where, part, text)


def _check_fence(where: object, part: Part, text: str) -> None:
    """A passage stands once between `<passage ...>` and `</passage>`, and no other part opens or
    closes a fence: what a document says could otherwise pass for the prompt's own words."""
    if part.fence:
        if not _FENCED.fullmatch(text) or text.count("{text}") != 1:
            reason = "does not put {text} between one <passage ...> and </passage>"
            raise PromptUnusable(where, f"its `{part.name}` {reason}")
    elif _FENCE.search(text):
        raise PromptUnusable(where, f"its `{part.name}` opens or closes the fence of a passage")


def _stop(where: object, found: object) -> tuple[str, ...]:
    if not isinstance(found, list) or len(found) > _MOST_STOPS:
        raise PromptUnusable(where, f"its `stop` is not a list of at most {_MOST_STOPS} texts")
    for each in found:
        if not isinstance(each, str) or not each or len(each) > 100 or "\x00" in each:
            raise PromptUnusable(where, "its `stop` holds something else than short texts")
    return tuple(found)


def _notes(where: object, found: object) -> str:
    if not isinstance(found, str) or len(found) > _MOST_CHARACTERS:
        raise PromptUnusable(where, "its `notes` are not a text of a reasonable length")
    return found.strip()
