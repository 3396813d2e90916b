"""The table `[assistant]` of `cloister.toml`. Only composition and entry points import this."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from assistant.engine_options import KVCache
from assistant.escalation import When
from assistant.premises import LOOPBACK
from index.settings import Section

__all__ = ["AssistantSettings", "Section"]  # `ui` may not import `index`, and needs Section too


class AssistantSettings(Section):
    """How questions are answered, and by which model."""

    section: ClassVar[str] = "assistant"

    model: Path | None = Field(
        default=None,
        description="GGUF file of another language model, in place of the one that `cloister "
        "models use` chose; a relative path is looked up in the models folder of the home folder.",
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
    sequences: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Answers that are written at a time; 0: up to four, as memory allows.",
    )
    threads: int = Field(
        default=0,
        ge=0,
        description="CPU threads of the language model; 0: one for each core that nothing "
        "else uses.",
    )
    gpu_layers: int = Field(
        default=-1,
        ge=-1,
        description="Layers of the language model on the GPU; -1: as many as fit, if llama.cpp was "
        "built for a GPU.",
    )
    kv_cache: KVCache = Field(
        default="auto",
        description="Number format of evaluated tokens: f16, q8_0 (half the memory), or auto: f16 "
        "on a processor, q8_0 on a GPU.",
    )
    conversation_mib: int = Field(
        default=256,
        ge=0,
        description="MiB of evaluated prompts that are kept for follow-up questions, of all "
        "conversations together; 0 keeps none.",
    )
    conversation_minutes: float = Field(
        default=15.0, gt=0.0, description="How long a conversation's prompt is kept, in minutes."
    )
    thinking: bool = Field(
        default=False,
        description="Let models that can think before they answer do so; thoughts are recorded and "
        "never shown.",
    )
    thinking_tokens: int = Field(
        default=512, ge=1, description="Tokens that a model may think for, at most."
    )
    engine_retries: int = Field(
        default=2,
        ge=0,
        description="How often an answer is begun again when the model's process was lost.",
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
        description="An answer ends as it stands this long after its turn in the line, in seconds.",
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
    straight_answers: bool = Field(
        default=True,
        description="Show what a table's cell or a sentence clearly states without asking the "
        "language model.",
    )
    entailment_folder: Path | None = Field(
        default=None,
        description="Folder of a classifier of sentence pairs (natural language inference) that "
        "has a say on every sentence of the language model; its digests are in "
        "<entailment_folder>.manifest.json.",
    )
    classifier_folder: Path | None = Field(
        default=None,
        description="Folder of a classifier whose labels `cloister classify` may use; its digests "
        "are in <classifier_folder>.manifest.json.",
    )
    air_gapped: bool = Field(
        default=False,
        description="Refuse `cloister models fetch`, the only command that may use the network; a "
        "file AIR_GAPPED in the home folder does the same.",
    )
    larger_model_url: str | None = Field(
        default=None,
        description="Address of an OpenAI-compatible server inside the premises, such as "
        "https://gpu.example.internal:8443/v1; empty: there is none.",
    )
    larger_model_name: str = Field(
        default="", description="Model to ask there; empty: the first that it offers."
    )
    escalate: When = Field(
        default="when_rejected",
        description="When the larger model is asked: never, when_rejected (nothing that the small "
        "one wrote was supported) or when_rejected_or_failed.",
    )
    larger_prompt_tokens: int = Field(
        default=2000, ge=200, description="Tokens of the larger model's prompt, at most."
    )
    larger_prompt_passages: int = Field(
        default=6, ge=1, le=50, description="Passages that the larger model reads, at most."
    )
    larger_context: int = Field(
        default=0, ge=0, description="Context of the larger model in tokens; 0: as it says."
    )
    larger_sequences: int = Field(
        default=4, ge=1, description="Answers that the larger model writes at a time."
    )
    model_networks: tuple[str, ...] = Field(
        default=LOOPBACK,
        description="Networks (CIDR, private ones only) in which that server may stand; by default "
        "this machine alone.",
    )
    model_ca: Path | None = Field(
        default=None, description="Certificates (PEM) that vouch for that server."
    )
    model_certificate: Path | None = Field(
        default=None, description="Certificate (PEM) that Cloister shows to that server."
    )
    model_key: Path | None = Field(default=None, description="Private key (PEM) of that one.")
    model_api_key_file: Path | None = Field(
        default=None, description="File, readable by its owner only, with that server's API key."
    )
    page_image_dpi: int = Field(
        default=110, ge=30, le=600, description="Dots per inch of a cited page's picture."
    )
