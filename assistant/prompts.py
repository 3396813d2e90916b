"""The prompts that come with Cloister, and the fencing of what documents say.

A prompt is a versioned file (`assistant.prompt_form` says what one holds). Those in `prompt_files`
belong to the installation: each is pinned here, and one whose content has another digest is
refused. A user's own lie in the data folder, and which one is in use is `assistant.prompt_shelf`'s
to say; the names of this module (`SYSTEM`, `user`, ...) are those of the default answer prompt.

The system prompt is short and always the same, so that the model's runtime can keep it evaluated.
Passages are data: each stands in a fence, and whatever in it could be taken for the fence or for a
control token of a chat template is broken up, in the prompt only; quotes and citations are cut from
the page itself. This does not stop a model from obeying a planted instruction. The gate does not
need it to: what comes of it is not in the passages' own words and is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from assistant import prompt_form
from assistant.errors import PromptUnusable
from assistant.packing import Block
from assistant.prompt_form import PromptSet, fenced

__all__ = [
    "DEFAULT", "DEFAULTS", "SHIPPED", "PromptSet", "default", "digest", "fenced", "passage",
    "shipped", "user",
]  # fmt: skip

_FOLDER = Path(__file__).with_name("prompt_files")

# Name and digest of every shipped prompt. A file never changes once it was released: add a version.
SHIPPED: Mapping[str, str] = {
    "answer-1": "394d879eed88dac7c73ab134cd40079b5563432816e52ed017035805c7170af0",
    "followup-1": "ffac1a9093cb99e01ca4389c7a64ab22c7001f3afb4a846584945c31e962f15f",
    "summary-1": "589d42ec9a06f8e57ee8a937e2739084203d165b56f9374dc1cdc4544f8cb171",
    "extract-1": "d0c85cc7d4304eeb7f9436dca67eb4b5e1835175d2c9f7d0be2790b27e575cb5",
    "classify-1": "6d1c737e507efc68dca50aeee9aeb6ffbb102e4b1cf2b1e2ff2b5a26c8d28af5",
    "plain-1": "a3c948a0ac8ce75d96a6be247e306cb114e919e20f46f8183fad3fe24adee7aa",
}
# The shipped prompt of each kind that is in use until another is chosen.
DEFAULTS: Mapping[str, str] = {
    "answer": "answer-1",
    "rewrite": "followup-1",
    "summarise": "summary-1",
    "extract": "extract-1",
    "classify": "classify-1",
    "plain": "plain-1",
}


@cache
def shipped(name: str) -> PromptSet:
    """A prompt of the installation. Raises PromptUnusable if it is not there or was altered."""
    path = _FOLDER / f"{name}.toml"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PromptUnusable(path, error.strerror or "it cannot be read") from error
    prompt = prompt_form.parse(data, path)
    if prompt.name != name or prompt.digest != SHIPPED.get(name):
        raise PromptUnusable(
            path, "it was altered since the installation: install Cloister anew to restore it"
        )
    return prompt


def default(kind: str) -> PromptSet:
    """The shipped prompt that is in use for a kind until another is chosen. KeyError for a kind
    that there is not; raises PromptUnusable if its file was altered."""
    return shipped(DEFAULTS[kind])


DEFAULT = default("answer")
VERSION = DEFAULT.name
SYSTEM = DEFAULT.system
PASSAGE = DEFAULT.parts["passage"]
QUESTION = DEFAULT.parts["question"]
STOP = DEFAULT.stop


def digest(prompt: PromptSet = DEFAULT) -> str:
    """Hex SHA-256 over version and template: what a record names as the prompt's template."""
    return prompt.digest


def passage(number: int, block: Block, prompt: PromptSet = DEFAULT) -> str:
    """One passage in its fence."""
    return prompt.passage(number, block)


def user(blocks: Sequence[Block], question: str, prompt: PromptSet = DEFAULT) -> str:
    """Everything that follows the system prompt: the passages, best first, and the question."""
    return prompt.user(blocks, question)
