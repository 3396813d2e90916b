"""How a model is run: plain data that composition fills from the settings of the same names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KVCache = Literal["auto", "f16", "q8_0"]

AUTOMATIC_SEQUENCES = 4  # answers at a time where nothing else is said and memory allows it


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """`context` is tokens for one prompt and its answer, `sequences` how many answers are written
    at a time (0: up to AUTOMATIC_SEQUENCES, as memory allows), `threads` CPU threads (0: one
    for each core that nothing else uses), `gpu_layers` layers on the GPU (-1: as many as fit).

    `kv_cache` is the number format of evaluated tokens: "auto" takes f16 on a CPU, where answers
    are then the same bit for bit whoever else is answered, and q8_0 with flash attention on a GPU.
    `conversation_mib` bounds what is kept evaluated for follow-up questions, of all conversations
    together; `conversation_seconds` how long. `thinking` lets models that think before they answer
    do so, for at most `thinking_tokens`. `retries` is how often an answer is begun again when the
    engine was lost, `queue_limit` how many questions may wait.
    """

    context: int = 4096
    sequences: int = 0
    threads: int = 0
    gpu_layers: int = -1
    kv_cache: KVCache = "auto"
    conversation_mib: int = 256
    conversation_seconds: float = 900.0
    thinking: bool = False
    thinking_tokens: int = 512
    retries: int = 2
    queue_limit: int = 16
    load_seconds: float = 600.0
