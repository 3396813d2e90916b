"""Asking the cases of a set: configurations, the parts they are asked with, and what was shown.

Composition for `cloister eval answers`. The product is asked through the real `Assistant` over the
set's documents, which lie in a data folder of their own; model and settings are those of the
user's. Every question is recorded in the log of the folder whose documents it is asked of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from assistant import answer_score, prompts
from assistant.answer import Answer, Asker, Question
from assistant.answer_lines import Lines, key_of
from assistant.answer_outcome import AnswerRun, Case, Gold, Judgement, Shown
from assistant.answer_sets import AnswerSet, sources
from assistant.answering import Policy
from assistant.compose import chooser, engine, larger_model, policy
from assistant.errors import ModelBusy, ModelFailed, PromptRefused, PromptTooLong
from assistant.model import Model
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from assistant.plain import PlainChain
from assistant.ports import Library
from assistant.prompt_form import PromptSet
from assistant.prompt_shelf import PromptShelf
from assistant.sentences import one_line, split
from assistant.settings import AssistantSettings
from assistant.shelf import Shelf, open_verified
from audit.ports import AuditLog
from index.compose import open_index

DEFAULT, PLAIN = "default", "plain chain"
_TOLD = (  # the settings that change what is answered
    "context", "thinking", "thinking_tokens", "max_answer_tokens", "deadline_seconds",
    "question_max_chars", "passages", "prompt_passages", "prompt_tokens", "answer_sentences",
    "escalate", "larger_model_name",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is asked: the product or, `plain`, the chain without a gate, with the model of that
    name on the shelf and the answer prompt of that name, those in use if they are empty."""

    name: str
    model: str = ""
    plain: bool = False
    prompt: str = ""


def configurations(models: Sequence[str], baseline: bool) -> tuple[Configuration, ...]:
    """One for each model (none: the one in use), each followed by its plain chain if wanted."""
    found = []
    for model in models or ("",):
        found.append(Configuration(model or DEFAULT, model))
        if baseline:
            name = PLAIN if len(models) < 2 else f"{model} {PLAIN}"
            found.append(Configuration(name, model, plain=True))
    return tuple(found)


# -- what is asked ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bench:
    """One model's systems over one folder of documents, ready to be asked."""

    assistant: Assistant
    chain: PlainChain
    library: Library
    asker: Asker
    model: str
    settings: Mapping[str, object] = field(default_factory=dict)
    answer_prompt: PromptSet = prompts.DEFAULT

    def ask(self, configuration: Configuration, question: Question) -> Shown:
        """What is shown, its seconds by the wall clock. Raises what the systems raise."""
        began = time.monotonic()
        if configuration.plain:
            return _plain_shown(self.chain, question, began)
        return replace(_shown(self.assistant.ask(question)), seconds=time.monotonic() - began)

    def prompt(self, configuration: Configuration) -> str:
        """Version and digest of the prompt."""
        if configuration.plain:
            return _signed(self.chain.prompt)
        return _signed(self.answer_prompt)


def _signed(prompt: PromptSet) -> str:
    return f"{prompt.name} {prompt.digest[:12]}"


def _shown(answer: Answer) -> Shown:
    return Shown(
        case="",
        verdict=answer.verdict.value,
        text=answer.text,
        sentences=tuple((each.text, each.citations) for each in answer.sentences),
        quotes=tuple((each.source, each.page, each.quote) for each in answer.citations),
        removed=tuple(each.reason for each in answer.removed),
        timings=dict(answer.timings),
        prompt_tokens=answer.cost.prompt_tokens,
        completion_tokens=answer.cost.completion_tokens,
        joules=answer.cost.joules,
        record=answer.record,
    )


def _plain_shown(chain: PlainChain, question: Question, began: float) -> Shown:
    """The chain's answer. What only this question's prompt or process could not do is a failure
    of it, as it would be for whoever uses such a chain."""
    try:
        answer = chain.ask(question)
    except (ModelFailed, ModelBusy, PromptTooLong) as error:
        return Shown("", "FAILED", str(error), seconds=time.monotonic() - began)
    refused = answer_score.declines(answer.text)
    sentences = [one_line(answer.text[each.start : each.end]) for each in split(answer.text)]
    took = answer.generation
    return Shown(
        case="",
        verdict="REFUSED" if refused else "ANSWERED",
        text=answer.text,
        sentences=() if refused else tuple((each, ()) for each in sentences),
        seconds=time.monotonic() - began,
        prompt_tokens=took.prompt_tokens if took else 0,
        completion_tokens=took.completion_tokens if took else 0,
        joules=took.joules if took else None,
        record=answer.record,
        passages=answer.passages,
    )


@contextmanager
def open_bench(
    home: Path, documents: Path, log: AuditLog, asker: Asker, model: str, prompt: str = ""
) -> Iterator[Bench]:
    """The systems over the documents in the data folder `documents`, recorded in `log`, with the
    settings, models and prompts of `home`. The model and the embedder are loaded when this
    returns.

    Raises IndexFailure, AssistantError: something is missing, altered or of no use.
    """
    shelf = PromptShelf(home)
    wording = shelf.prompt(prompt) if prompt else shelf.current("answer")
    if wording.kind != "answer":
        raise PromptRefused(
            f"The prompt {prompt} is of the kind {wording.kind} and writes no answers that could "
            "be measured: name one of the kind answer."
        )
    settings = AssistantSettings.load(home)
    named = Shelf(home).file(model) if model else None
    choose = chooser(settings, home) if named is None else lambda: named
    open_verified(choose()).close()
    how = policy(settings, lambda kind: wording if kind == "answer" else shelf.current(kind))
    engine_ = engine(settings, choose, log)
    with Assistant(
        library := open_index(documents),
        log,
        engine_,
        Viewer(lambda path, number: None),  # nobody looks at pages here
        how,
        larger_model(settings),
    ) as assistant:
        assistant.catch_up()
        library.embedder.embed_query("load")  # the first question is not to pay for it
        told = {name: getattr(settings, name) for name in _TOLD}
        told["embedder"] = library.embedder.fingerprint
        told["larger_model"] = settings.larger_model_url is not None
        bench = bench_of(library, log, engine_, how, asker, assistant, told)
        yield replace(bench, answer_prompt=wording)


def bench_of(
    library: Library,
    log: AuditLog,
    model: Model,
    how: Policy,
    asker: Asker,
    assistant: Assistant,
    told: Mapping[str, object],
) -> Bench:
    """The systems over open parts; loads the model."""
    with model.held() as held:
        info = held.info
    signed = f"{info.name} {info.quantization} {info.where or info.sha256[:12]}"
    chain = PlainChain(library, log, model, how)
    return Bench(assistant, chain, library, asker, signed, {**told, "runtime": info.runtime})


# -- documents by their names ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Names:
    """The documents that may be asked, by source: the ids of those that are called so."""

    ids: Mapping[str, frozenset[str]]

    def source(self, name: str) -> str | None:
        """The source that `name` means: itself, or the only one of which it is the last part."""
        if name in self.ids:
            return name
        ending = [source for source in self.ids if source.endswith(f"/{name}")]
        return ending[0] if len(ending) == 1 else None


def names_of(bench: Bench) -> Names:
    """Everything that the asker may read; recorded as a list of documents is."""
    ids: dict[str, set[str]] = {}
    for document in bench.assistant.documents(bench.asker):
        ids.setdefault(document.source, set()).add(document.id)
    return Names({source: frozenset(held) for source, held in ids.items()})


def placed(case: Case, names: Names) -> Case:
    """The case with its right places called as the documents are; what is not there stays."""
    gold = tuple(
        Gold(names.source(each.source) or each.source, each.text, each.page) for each in case.gold
    )
    return replace(case, gold=gold)


def missing(cases: Sequence[Case], names: Names) -> tuple[str, ...]:
    """The documents that cases name and that are not there, each once."""
    return tuple(name for name in sources(cases) if names.source(name) is None)


def question_of(case: Case, names: Names, asker: Asker) -> Question:
    """The case as it is put, narrowed to its documents if it names any."""
    documents = None
    if case.sources is not None:
        found = [names.source(source) for source in case.sources]
        documents = frozenset(id_ for source in found if source for id_ in names.ids[source])
    return Question(case.text, asker, as_of=case.as_of, documents=documents)


# -- asking ----------------------------------------------------------------------------------------


def run(
    set_: AnswerSet,
    configuration: Configuration,
    bench: Bench,
    lines: Lines,
    names: Names,
    progress: Callable[[int], None] = lambda done: None,
) -> AnswerRun:
    """Ask every case once, in order, one at a time, and judge what is shown. The cases are placed
    (`placed`). What `lines` holds of the same run is not asked again. Raises what the systems
    raise, and OSError."""
    prompt = bench.prompt(configuration)
    key = key_of(
        {
            "configuration": configuration.name,
            "plain": configuration.plain,
            "model": bench.model,
            "prompt": prompt,
            "settings": dict(bench.settings),
            "documents": set_.corpus_digest or sorted(map(sorted, names.ids.values())),
            "cloister": version("cloister"),
        }
    )
    shown: list[Shown] = []
    judged: list[Judgement] = []
    for done, case in enumerate(set_.cases, start=1):
        found = lines.get(key, case)
        if found is None:
            put = question_of(case, names, bench.asker)
            found = replace(bench.ask(configuration, put), case=case.id)
            lines.put(key, set_.name, configuration.name, case, found,
                      answer_score.judge(case, found))  # fmt: skip
        shown.append(found)
        judged.append(answer_score.judge(case, found))
        progress(done)
    return AnswerRun(
        configuration.name, bench.model, prompt, bench.settings, tuple(shown), tuple(judged)
    )
