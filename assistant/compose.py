"""Put the assistant together for one data folder."""

from __future__ import annotations

from pathlib import Path

from assistant.llamacpp import EngineOptions, LlamaCpp
from assistant.model import Sampling
from assistant.pages import ChildDrawer, Viewer
from assistant.pipeline import Assistant, Policy
from assistant.prompts import STOP
from assistant.retrieval import Limits
from assistant.settings import AssistantSettings
from assistant.shelf import choose_model, open_verified
from audit.log import Log
from index.compose import open_index


def open_assistant(home: Path, log: Log) -> Assistant:
    """The assistant over the documents in `home`, recording to `log`, which stays the caller's.

    The model's file is checked here, so that an altered one is refused before anything is asked,
    and again by the model's process whenever it loads it.

    Raises:
        IndexFailure, AssistantError: settings, index or model are missing, altered or of no use.
    """
    settings = AssistantSettings.load(home)
    file = choose_model(settings.model, settings.model_sha256, home)
    open_verified(file).close()
    options = EngineOptions(
        context=settings.context,
        threads=settings.threads,
        gpu_layers=settings.gpu_layers,
        queue_limit=settings.queue_limit,
        load_seconds=settings.load_seconds,
    )
    policy = Policy(
        longest_question=settings.question_max_chars,
        limits=Limits(hits=settings.passages),
        budget=settings.prompt_tokens,
        passages=settings.prompt_passages,
        most_sentences=settings.answer_sentences,
        deadline_seconds=settings.deadline_seconds,
        sampling=Sampling(max_tokens=settings.max_answer_tokens, stop=STOP),
    )
    viewer = Viewer(ChildDrawer(dots_per_inch=settings.page_image_dpi))
    return Assistant(open_index(home), log, LlamaCpp(file, options), viewer, policy)
