"""Put the assistant together for one data folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from assistant.energy import open_meter
from assistant.engine_options import EngineOptions
from assistant.entailing import open_classifier, open_entailment
from assistant.errors import AssistantError
from assistant.escalation import Escalation
from assistant.fitting import both_fit, fit_file
from assistant.llamacpp import LlamaCpp
from assistant.machine import look
from assistant.memory_plan import EMBEDDER, Plan, Shape
from assistant.model import Model, Sampling
from assistant.pages import ChildDrawer, Viewer
from assistant.pipeline import Assistant, Policy
from assistant.prompt_shelf import PromptShelf
from assistant.prompts import PromptSet, default
from assistant.remote import RemoteOptions, open_remote
from assistant.retrieval import Limits
from assistant.settings import AssistantSettings
from assistant.shelf import ModelFile, Shelf, choose_model, describe, open_verified
from audit.ports import AuditLog
from audit.record import SYSTEM, Event
from index.compose import open_index


def open_assistant(home: Path, log: AuditLog) -> Assistant:
    """The assistant over the documents in `home`, recording to `log`, which stays the caller's.

    The model's file is checked here, so that an altered one is refused before anything is asked,
    and again by the model's process whenever it loads it.

    Raises:
        IndexFailure, AssistantError: settings, index or model are missing, altered or of no use.
    """
    settings = AssistantSettings.load(home)
    choose = chooser(settings, home)
    open_verified(choose()).close()
    larger = larger_model(settings)
    viewer = Viewer(ChildDrawer(dots_per_inch=settings.page_image_dpi))
    prompts = PromptShelf(home)
    for kind in ("answer", "rewrite"):
        prompts.current(kind)  # an altered one stops the start, not the first answer
    entailment, classifier = settings.entailment_folder, settings.classifier_folder
    return Assistant(
        open_index(home),
        log,
        engine(settings, choose, log),
        viewer,
        policy(settings, prompts.current),
        larger,
        open_entailment(home / entailment) if entailment is not None else None,
        open_classifier(home / classifier) if classifier is not None else None,
    )


def chooser(settings: AssistantSettings, home: Path) -> Callable[[], ModelFile]:
    """What tells, before each answer, which model is to write it: the one that the settings name,
    or the one in use on the shelf at that moment."""
    if settings.model is not None:
        named = choose_model(settings.model, settings.model_sha256, home)
        return lambda: named
    return Shelf(home).current


def options(settings: AssistantSettings) -> EngineOptions:
    """How the settings want a model to be run."""
    return EngineOptions(
        context=settings.context,
        sequences=settings.sequences,
        threads=settings.threads,
        gpu_layers=settings.gpu_layers,
        kv_cache=settings.kv_cache,
        conversation_mib=settings.conversation_mib,
        conversation_seconds=settings.conversation_minutes * 60,
        thinking=settings.thinking,
        thinking_tokens=settings.thinking_tokens,
        retries=settings.engine_retries,
        queue_limit=settings.queue_limit,
        load_seconds=settings.load_seconds,
    )


def engine(
    settings: AssistantSettings, choose: Callable[[], ModelFile], log: AuditLog | None
) -> LlamaCpp:
    """The engine on this machine; what becomes of a model is recorded in `log`."""
    wanted = options(settings)
    plans: dict[ModelFile, Plan] = {}  # of what was loaded, as it was then

    def fitted(model: ModelFile, asked: EngineOptions) -> tuple[EngineOptions, tuple[str, ...]]:
        found = fit_file(model, asked, EMBEDDER)
        plans[model] = found.plan
        return found.options, found.notes

    def beside(old: ModelFile, new: ModelFile) -> bool:
        """Whether a model can be loaded while another still answers."""
        try:
            shape = Shape.of(describe(new))
            return old in plans and both_fit(plans[old], shape, wanted, look()) is not None
        except AssistantError:
            return False  # then it is tried, and told, once the old one has ended

    def notice(happened: str, facts: Mapping[str, str | int | bool | list[str]]) -> None:
        if log is not None:
            log.append(Event(happened, SYSTEM, facts))

    return LlamaCpp(choose, wanted, fit=fitted, both_fit=beside, notice=notice, meter=open_meter())


def larger_model(settings: AssistantSettings) -> Model | None:
    """The server next door, if the settings name one. Raises ServerRefused."""
    if settings.larger_model_url is None:
        return None
    return open_remote(
        settings.larger_model_url,
        settings.model_networks,
        RemoteOptions(
            name=settings.larger_model_name,
            context=settings.larger_context,
            sequences=settings.larger_sequences,
            queue_limit=settings.queue_limit,
            thinking=settings.thinking,
        ),
        ca=settings.model_ca,
        certificate=settings.model_certificate,
        key=settings.model_key,
        api_key_file=settings.model_api_key_file,
    )


def policy(settings: AssistantSettings, prompts: Callable[[str], PromptSet] = default) -> Policy:
    """How the settings want answers to be made; `prompts` gives the prompt in use for
    a kind at the moment."""
    return Policy(
        longest_question=settings.question_max_chars,
        limits=Limits(hits=settings.passages),
        budget=settings.prompt_tokens,
        passages=settings.prompt_passages,
        most_sentences=settings.answer_sentences,
        deadline_seconds=settings.deadline_seconds,
        sampling=Sampling(max_tokens=settings.max_answer_tokens),
        escalation=Escalation(
            settings.escalate if settings.larger_model_url is not None else "never",
            settings.larger_prompt_tokens,
            settings.larger_prompt_passages,
        ),
        straight=settings.straight_answers,
        prompts=prompts,
        engine={"thinking": settings.thinking, "thinking_tokens": settings.thinking_tokens},
    )
