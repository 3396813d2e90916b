"""A bare llama.cpp loop in a process of its own: what `benchmarks/engine.py` compares with.

    python benchmarks/engine_bare.py '{"path": ..., "context": ..., ...}'

The argument is a `Setting` as JSON. Each line of standard input is {"text", "written"}: a prompt,
rendered, and how many tokens to write (or {"streams", "written"}, for `batched`); each line of
standard output says what that took. One sequence, llama.cpp's C functions, the likeliest token, and
nothing besides: no stop, no pieces, no line to another process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BATCH = 512  # tokens evaluated at once, as the engine's


@dataclass(frozen=True)
class Setting:
    """What both sides must have in common. `flash`: flash attention; -1 leaves it to llama.cpp."""

    path: str
    context: int
    threads: int
    gpu_layers: int = 0
    kv_cache: str = "f16"
    flash: int = 0


class Bare:
    """The loop, seen from the other process; `with` ends it."""

    def __init__(self, setting: Setting, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(asdict(setting))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.load_seconds = float(self._reply()["load_seconds"])

    def write(self, text: str, written: int) -> dict[str, Any]:
        """{"prompt_tokens", "text", and since the prompt was cut in tokens: "first", "seconds"}"""
        return self._order({"text": text, "written": written})

    def together(self, streams: int, written: int) -> float:
        """Tokens a second of so many sequences in one batch; see `batched`."""
        return float(self._order({"streams": streams, "written": written})["tokens_per_second"])

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the bare loop ended: try it by hand, it says why")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def __enter__(self) -> Bare:
        return self

    def __exit__(self, *details: object) -> None:
        self._process.communicate()


def load(lib: Any, setting: Setting) -> Any:
    """The model."""
    lib.llama_backend_init()
    params = lib.llama_model_default_params()
    params.n_gpu_layers = setting.gpu_layers
    params.use_extra_bufts = b"AMX_INT8 = 1" not in lib.llama_print_system_info()  # as the engine
    model = lib.llama_model_load_from_file(setting.path.encode(), params)
    if not model:
        raise SystemExit("llama.cpp cannot load it")
    return model


def context_of(lib: Any, model: Any, setting: Setting, sequences: int) -> Any:
    """A context of so many sequences, each with a store of its own."""
    options = lib.llama_context_default_params()
    options.n_ctx, options.n_seq_max = setting.context * sequences, sequences
    options.kv_unified = False
    options.n_batch = options.n_ubatch = BATCH
    options.n_threads = options.n_threads_batch = setting.threads
    options.type_k = options.type_v = {"f16": lib.GGML_TYPE_F16, "q8_0": lib.GGML_TYPE_Q8_0}[
        setting.kv_cache
    ]
    options.flash_attn_type = setting.flash
    context = lib.llama_init_from_model(model, options)
    if not context:
        raise SystemExit("llama.cpp has no memory for its context")
    return context


def batched(lib: Any, model: Any, setting: Setting, streams: int, tokens: int) -> float:
    """Tokens a second of llama.cpp alone when `streams` sequences write at once: nothing is read,
    nothing sampled, the next token is whatever number comes next."""
    context = context_of(lib, model, setting, streams)
    batch = lib.llama_batch_init(streams, 0, 1)
    begun = time.perf_counter()
    for at in range(tokens):
        if at == 1:
            begun = time.perf_counter()  # the first step sets things up
        batch.n_tokens = streams
        for sequence in range(streams):
            batch.token[sequence], batch.pos[sequence] = 300 + at + sequence, at
            batch.n_seq_id[sequence], batch.seq_id[sequence][0] = 1, sequence
            batch.logits[sequence] = True
        if lib.llama_decode(context, batch):
            raise SystemExit("llama_decode failed")
        lib.llama_get_logits(context)  # waits until they are there
    seconds = time.perf_counter() - begun
    lib.llama_batch_free(batch)
    lib.llama_free(context)
    return streams * (tokens - 1) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("setting", help="a Setting as JSON")
    setting = Setting(**json.loads(parser.parse_args().setting))
    import llama_cpp as lib
    import numpy as np

    begun = time.perf_counter()
    model = load(lib, setting)
    context = context_of(lib, model, setting, 1)
    print(json.dumps({"load_seconds": time.perf_counter() - begun}), flush=True)
    vocab = lib.llama_model_get_vocab(model)
    words = lib.llama_vocab_n_tokens(vocab)
    memory = lib.llama_get_memory(context)

    def evaluate(tokens: list[int]) -> int:
        """Append tokens to the context; the likeliest next one."""
        for start in range(0, len(tokens), BATCH):
            part = tokens[start : start + BATCH]
            array = (lib.llama_token * len(part))(*part)  # the batch only points to it
            if lib.llama_decode(context, lib.llama_batch_get_one(array, len(part))):
                raise SystemExit("llama_decode failed")
        return int(np.ctypeslib.as_array(lib.llama_get_logits_ith(context, -1), (words,)).argmax())

    for line in sys.stdin:
        order = json.loads(line)
        if "streams" in order:
            speed = batched(lib, model, setting, order["streams"], order["written"])
            print(json.dumps({"tokens_per_second": speed}), flush=True)
            continue
        tokens = tokenize(lib, vocab, order["text"])
        lib.llama_memory_clear(memory, False)
        begun = time.perf_counter()
        found = [evaluate(tokens)]
        first = time.perf_counter() - begun
        for _ in range(order["written"] - 1):
            found.append(evaluate([found[-1]]))
        seconds = time.perf_counter() - begun
        text = b"".join(spelled(lib, vocab, token) for token in found).decode(errors="replace")
        reply = {"prompt_tokens": len(tokens), "first": first, "seconds": seconds, "text": text}
        print(json.dumps(reply), flush=True)


def tokenize(lib: Any, vocab: Any, text: str) -> list[int]:
    data = text.encode()
    found = (lib.llama_token * (len(data) + 8))()
    n = lib.llama_tokenize(vocab, data, len(data), found, len(found), False, True)
    return list(found[:n])


def spelled(lib: Any, vocab: Any, token: int) -> bytes:
    import ctypes

    buffer = ctypes.create_string_buffer(256)
    n = lib.llama_token_to_piece(vocab, token, buffer, len(buffer), 0, False)
    return buffer.raw[: max(0, n)]


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))  # nothing here is to be imported by accident
    main()
