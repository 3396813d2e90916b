"""A recorded answer made again: the same code over the pinned documents, the recorded settings and
the recorded model, and what came of it held against the record.

Nothing is copied from the record that the answer was made of: prompt, text and citations come about
anew, and the recorded ones are compared with them. From the record come the question, what the
search found (read again from the documents' pinned versions), the day, what could be read then, the
settings, and where the clock ended a model's text. The model's process is told nothing else.

What it does not do: search again (`searched_again` tells, apart from the verdict, whether today's
search finds the same), ask a server's model unless told to, or run a task anew
(`assistant.replay_tasks`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from assistant import asked as asking
from assistant import retrieval
from assistant.answering import Answering, Policy
from assistant.followup import Understood
from assistant.model import Model
from assistant.opinion import Entailment
from assistant.ports import Library
from assistant.prompts import PromptSet
from assistant.recording import QuestionRecord
from assistant.replay_compare import Part, parts, prompts_equal, texts_equal
from assistant.replay_library import PinnedLibrary
from assistant.replay_model import NobodyAsked, Remembered, Repeated, Script, scripts
from assistant.replay_reason import UNKNOWN, Reason, broke_down, circumstances
from assistant.replay_record import Fields, Kept, Recorded, ReplayImpossible, kept_of, recorded
from assistant.replay_settings import changed, described, restored
from audit.record import Event, Record
from index.document import Scope

EQUAL, DIFFERENT, NOT_REPLAYABLE = "EQUAL", "DIFFERENT", "NOT_REPLAYABLE"
_NO_DEADLINE = 1e9  # seconds: where the clock ended a text stands in the record


class Pins(Protocol):
    """Finds what a record names by its digest. Raises ReplayImpossible for what is not there."""

    def prompt(self, name: str, sha256: str) -> PromptSet:
        """The prompt of that digest."""
        ...

    def model(self, fields: Fields, engine: Mapping[str, Any]) -> Callable[[], Model]:
        """What opens the model that `fields` of a call name, run as they say; `engine` are the
        recorded settings of the engine's own. Looks for the file at once, loads it when called."""
        ...


@dataclass(frozen=True, slots=True)
class SearchAgain:
    """Whether the same search finds the same today: sources of passages that only one of both
    found, and the generations of the index."""

    equal: bool
    then: int
    now: int
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    generations: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay. `outcome` is EQUAL or DIFFERENT; `prompt_equal` is None if no model
    was asked; `reasons` say why it differs, or what was another without making a difference."""

    request: str
    seq: int
    outcome: str
    prompt_equal: bool | None
    text_equal: bool
    compared: tuple[Part, ...]
    reasons: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = ()
    search: SearchAgain | None = None

    @property
    def equal(self) -> bool:
        return self.outcome == EQUAL


@dataclass(slots=True)
class _Events:
    """`assistant.ports.Recorder` in memory: a replay's own records are only compared."""

    kept: list[Kept] = field(default_factory=list)

    def append(self, event: Event) -> Record:
        number = len(self.kept)
        self.kept.append(kept_of(number, event))
        return Record(number, f"replay-{number}", event.type, 0, "")


class Replayer:
    """Replays answers over one data folder. Not for several threads."""

    def __init__(
        self,
        library: Library,
        policy: Policy,
        pins: Pins,
        entailment: Entailment | None = None,
        larger: Callable[[], Model | None] = lambda: None,
    ) -> None:
        """`policy` is that of today, taken where a record holds no settings; `larger` gives the
        server's model, asked only where a replay is told to."""
        self.library = library
        self._policy, self._pins = policy, pins
        self._entailment, self._larger = entailment, larger

    def replay(self, then: Recorded, build: str, *, remote: bool = False) -> Replay:
        """Make the answer again; `build` names this program, `remote`: ask the server's model too.

        Raises ReplayImpossible, AssistantError (the model cannot be loaded), IndexFailure.
        """
        pinned = PinnedLibrary(self.library, then)
        prompts = self._prompts(then)
        ours, theirs = scripts(then, prompts.get("rewrite"))
        model = Repeated(self._model(then), ours)
        policy = self._settings(then, prompts)
        events = _Events()
        failure = ""
        record = QuestionRecord(events, then.question.asker, self.library.embedder.fingerprint)
        question = replace(then.question, collections=None)  # the recorded scope is that narrowed
        record.received(question, policy.longest_question)
        answering = Answering(
            pinned, model, policy, question, record,
            self._larger_model(then, theirs, remote=remote),
            entailment=self._entailment if _entailed(then) else None,
            day=then.day or None,
        )  # fmt: skip
        try:
            for _ in answering.events():
                pass
        except NobodyAsked as error:
            failure = str(error)
        return self._judged(then, events.kept, build, (ours, theirs), pinned.notes, failure)

    def _judged(
        self,
        then: Recorded,
        events: list[Kept],
        build: str,
        told: tuple[Script, Script],
        documents: list[str],
        failure: str,
    ) -> Replay:
        """What came of it, against what was recorded."""
        notes = [*told[0].notes, *self._other_settings(then)]
        search = self.searched_again(then)
        if failure:
            reasons = (
                Reason("NOBODY_ASKED", failure),
                *circumstances(then, None, build, documents),
            )
            return Replay(
                then.request, then.seq, DIFFERENT, None, False, (), reasons, tuple(notes), search
            )
        now = recorded(then.request, events)
        compared = parts(then, now, *told)
        notes += [again.note for script in told for again in _done(script) if again.note]
        same = all(part.equal for part in compared if part.decides)
        reasons = circumstances(then, now, build, documents)
        if not same:
            reasons = (*broke_down(then.calls, now.calls), *reasons) or (UNKNOWN,)
        return Replay(
            then.request,
            then.seq,
            EQUAL if same else DIFFERENT,
            prompts_equal(compared),
            texts_equal(compared),
            compared,
            reasons,
            tuple(dict.fromkeys(notes)),
            search,
        )

    def _prompts(self, then: Recorded) -> dict[str, PromptSet]:
        """The prompts that were used, by kind."""
        found: dict[str, PromptSet] = {}
        asked = {"answer": then.calls[0].fields if then.calls else None, "rewrite": then.rewriting}
        for kind, fields in asked.items():
            if fields is not None:
                name, digest = fields["prompt_version"], fields["prompt_template_sha256"]
                found[kind] = self._pins.prompt(str(name), str(digest))
        return found

    def _model(self, then: Recorded) -> Callable[[], Model]:
        """What opens the model of this machine that was asked."""
        fields = next((call.fields for call in then.calls if not call.remote), then.rewriting)
        if fields is None:
            return _nobody
        engine = (then.settings or {}).get("engine", {})
        return self._pins.model(fields, engine)

    def _larger_model(self, then: Recorded, script: Script, *, remote: bool) -> Model | None:
        """The larger model, if it was to be asked: the server's own, or what it said then."""
        if not then.escalated:
            return None
        if remote:
            found = self._larger()
            if found is None:
                raise ReplayImpossible(
                    "NO_SERVER",
                    "A larger model wrote for this answer and the settings name no server now: "
                    "set larger_model_url, or leave --remote out to take its words as recorded.",
                )
            return Repeated(lambda: found, script)
        call = next((call.fields for call in then.calls if call.remote), {})
        return Remembered(dict(call), script)

    def _settings(self, then: Recorded, prompts: Mapping[str, PromptSet]) -> Policy:
        """The policy of then, with the prompts that were used."""
        policy = self._policy
        if then.settings is not None:
            try:
                policy = restored(then.settings, policy)
            except (KeyError, TypeError, ValueError) as error:
                raise ReplayImpossible(
                    "SETTINGS_UNKNOWN",
                    f"The settings of record {then.seq} are not of a form that this version knows "
                    f"({type(error).__name__}): replay it with the version that wrote it.",
                ) from error
        today = self._policy.prompts
        return replace(
            policy,
            deadline_seconds=_NO_DEADLINE,
            prompts=lambda kind: prompts.get(kind) or today(kind),
        )

    def _other_settings(self, then: Recorded) -> list[str]:
        """What is set otherwise today, which the replay did not go by."""
        if then.settings is None:
            return []
        today = described(self._policy, self.library.embedder, second=self._entailment is not None)
        found = changed(then.settings, today)
        return [f"Settings of then were used, not today's ({'; '.join(found)})."] if found else []

    def searched_again(self, then: Recorded) -> SearchAgain | None:
        """The same search over the documents of today; None if nothing was searched."""
        if "hits" not in then.payload or "understood" not in then.payload:
            return None
        payload = then.payload
        understood = Understood(
            str(payload["understood"]), then.fields["understood_by"],
            tuple(payload["carried_from_history"]), tuple(payload["understood_notes"]),
            tuple(payload["named_in_answer"]),
        )  # fmt: skip
        hits = (then.settings or {}).get("hits", self._policy.limits.hits)
        result = retrieval.search(
            self.library, asking.of(understood), Scope(frozenset(then.fields["scope"])), int(hits),
            then.day, then.question.documents,
        )  # fmt: skip
        one = {str(hit["chunk"]): str(hit["source"]) for hit in payload["hits"]}
        other = {hit.chunk.id: hit.document.source for hit in result.hits}
        return SearchAgain(
            list(one) == list(other),
            len(one),
            len(other),
            tuple(dict.fromkeys(one[chunk] for chunk in one if chunk not in other)),
            tuple(dict.fromkeys(other[chunk] for chunk in other if chunk not in one)),
            (int(then.fields.get("index_generation", 0)), result.generation),
        )


def _entailed(then: Recorded) -> bool:
    """Whether a classifier took part; where that is not recorded, as it is set today."""
    return bool((then.settings or {"entailment": True}).get("entailment"))


def _done(script: Script) -> list[Any]:
    return [again for again in (script.rewritten, script.answered) if again is not None]


def _nobody() -> Model:
    raise NobodyAsked
