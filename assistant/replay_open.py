"""Put a replay together for one data folder, and take it through: the log is told before anything
is read, and again before anything is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from assistant import compose, replay_log, replay_tasks
from assistant.engine_options import EngineOptions
from assistant.entailing import open_entailment
from assistant.errors import AssistantError, ModelMissing, PromptRefused
from assistant.llamacpp import LlamaCpp
from assistant.model import Model
from assistant.prompt_shelf import PromptShelf
from assistant.prompts import PromptSet
from assistant.replay_record import Fields, Kept, ReplayImpossible, recorded
from assistant.replay_tasks import Verified
from assistant.replaying import DIFFERENT, EQUAL, NOT_REPLAYABLE, Replay, Replayer
from assistant.settings import AssistantSettings
from assistant.shelf import ModelFile, Shelf, choose_model, default_model, open_verified
from audit.ports import AuditLog
from audit.record import Actor
from index.compose import open_index
from index.document import Scope
from index.errors import IndexFailure

Opened = Callable[[], AbstractContextManager[Replayer]]


class ShelfPins:
    """`assistant.replaying.Pins` over the shelves of one data folder. Keeps the model that was
    opened last, for the next replay that names the same."""

    def __init__(self, home: Path, settings: AssistantSettings) -> None:
        self._home, self._settings = home, settings
        self._shelf = PromptShelf(home)
        self._kept: tuple[ModelFile, EngineOptions, LlamaCpp] | None = None

    def prompt(self, name: str, sha256: str) -> PromptSet:
        """Raises ReplayImpossible."""
        with suppress(PromptRefused):
            found = self._shelf.prompt(name)
            if found.digest == sha256:
                return found
        for listed in self._shelf.all():
            if listed.prompt is not None and listed.prompt.digest == sha256:
                return listed.prompt
        raise ReplayImpossible(
            "PROMPT_MISSING",
            f"The prompt {name} (digest {sha256}) is not here any more: put its file back with "
            "`cloister prompts add`.",
        )

    def model(self, fields: Fields, engine: Mapping[str, Any]) -> Callable[[], Model]:
        """Raises ReplayImpossible, ModelAltered, ModelUnreadable."""
        file = self._file(str(fields["model"]), str(fields["model_sha256"]))
        options = EngineOptions(
            context=int(fields["context_tokens"]),
            sequences=int(fields["sequences"]),
            threads=self._settings.threads,
            gpu_layers=int(fields["gpu_layers"]),
            kv_cache=fields["kv_cache"],
            conversation_mib=0,
            thinking=bool(engine.get("thinking", self._settings.thinking)),
            thinking_tokens=int(engine.get("thinking_tokens", self._settings.thinking_tokens)),
            load_seconds=self._settings.load_seconds,
        )
        return lambda: self._open(file, options, str(fields["chat_template_sha256"]))

    def close(self) -> None:
        """End the model's process."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept[2].close()

    def _open(self, file: ModelFile, options: EngineOptions, template_sha256: str) -> Model:
        if self._kept is None or self._kept[:2] != (file, options):
            self.close()
            engine = LlamaCpp(file, options)
            self._kept = (file, options, engine)
            if engine.info.template_sha256 != template_sha256:
                # Whether a model thinks is part of the template, and may have been set for the
                # model alone.
                other = replace(file, thinking=not options.thinking)
                with LlamaCpp(other, options) as tried:
                    fits = tried.info.template_sha256 == template_sha256
                if fits:
                    self.close()
                    self._kept = (file, options, LlamaCpp(other, options))
        return self._kept[2]

    def _file(self, name: str, sha256: str) -> ModelFile:
        """The file of that digest: the one in use, the default one, or one on the shelf."""
        settings, shelf = self._settings, Shelf(self._home)
        found: list[ModelFile] = []
        with suppress(AssistantError):
            found.append(choose_model(settings.model, settings.model_sha256, self._home))
        with suppress(ModelMissing):
            found.append(default_model())
        found += [shelf.file_of(entry) for entry in shelf.entries()]
        for each in found:
            if each.sha256 == sha256:
                open_verified(each).close()
                return each
        raise ReplayImpossible(
            "MODEL_MISSING",
            f"The model {name} that answered (SHA-256 {sha256}) is not here: put that very file on "
            "the shelf with `cloister models add FILE`; it need not be the one in use.",
        )


@contextmanager
def open_replayer(home: Path) -> Iterator[Replayer]:
    """What replays the answers of `home`. Loads no model before one is needed.

    Raises IndexFailure, AssistantError.
    """
    settings = AssistantSettings.load(home)
    shelf = PromptShelf(home)
    folder = settings.entailment_folder
    pins = ShelfPins(home, settings)
    with open_index(home) as index:
        try:
            yield Replayer(
                index,
                compose.policy(settings, shelf.current),
                pins,
                open_entailment(home / folder) if folder is not None else None,
                lambda: compose.larger_model(settings),
            )
        finally:
            pins.close()


def replay(
    log: AuditLog, actor: Actor, key: int | str, opened: Opened, *, remote: bool = False
) -> Replay | Verified:
    """Replay the answer, or verify the task, that the record `key` belongs to.

    `log.replay_begun` is recorded before a payload is read, `log.replayed` before this returns or
    raises. Raises ReplayImpossible, AssistantError, IndexFailure, AuditError.
    """
    asked = replay_log.read(log, actor, key)
    try:
        with opened() as replayer:
            found = _replayed(replayer, asked, remote=remote)
    except (AssistantError, IndexFailure) as error:
        code = error.code if isinstance(error, ReplayImpossible) else type(error).__name__
        replay_log.outcome(log, actor, asked, NOT_REPLAYABLE, reason=code)
        raise
    if isinstance(found, Verified):
        outcome = DIFFERENT if found.broken else EQUAL
        replay_log.outcome(log, actor, asked, outcome, reason="TASK")
        return found
    reason = found.reasons[0].code if found.reasons and not found.equal else ""
    replay_log.outcome(
        log, actor, asked, found.outcome,
        prompt_equal=found.prompt_equal, text_equal=found.text_equal, reason=reason,
    )  # fmt: skip
    return found


def _replayed(replayer: Replayer, asked: replay_log.Asked, *, remote: bool) -> Replay | Verified:
    if any(each.type == "task.received" for each in asked.records):
        return replay_tasks.verify(replayer.library, _scope(asked.records), asked.records)
    return replayer.replay(recorded(asked.request, asked.records), asked.build, remote=remote)


def _scope(records: tuple[Kept, ...]) -> Scope:
    """The collections that a task read, as far as its records name them."""
    names = {
        str(name)
        for each in records
        for key in ("scope", "collections")
        for name in each.fields.get(key) or ()
    }
    return Scope(frozenset(names))
