"""How fast the engine loads, reads and writes, beside a bare loop over the binding's own class.

    python benchmarks/engine.py [--gguf FILE] [--rounds N] [--json]

Both run the same prompt tokens with as many threads, in turns, in one run, so that a busy
machine slows both; what matters is the ratio. `load_s` is from nothing to the first count of
tokens (process start and SHA-256 of the file included for the engine; import excluded for the bare
loop). Prefill and decode are tokens a second, the median of the rounds. Both wait as the engine
does (`OMP_WAIT_POLICY=PASSIVE`); set the variable to ACTIVE to see what spinning costs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before the library starts its threads

import llama_cpp

from assistant.cores import available_cores
from assistant.llamacpp import EngineOptions, LlamaCpp
from assistant.model import Sampling
from assistant.shelf import ModelFile, default_model

SYSTEM = "You answer questions from the passages, in plain sentences, and from nothing else."
PASSAGE = (
    "Section {n}. The compliance officer keeps every record of a transaction for six years from "
    "the end of the business relationship, and erases it within 30 days after that. "
)
CONTEXT, PASSAGES, WRITTEN = 4096, 24, 64


def prompt() -> str:
    text = "".join(PASSAGE.format(n=n) for n in range(1, PASSAGES + 1))
    return f"{text}\n\nTell a long story about the compliance officer."


def bare(path: Path) -> tuple[llama_cpp.Llama, float]:
    """The binding's class, loaded, and the seconds that took."""
    defaults = llama_cpp.llama_model_default_params

    def without_amx() -> llama_cpp.llama_model_params:
        params = defaults()  # as the engine does, for the same reason
        params.use_extra_bufts = b"AMX_INT8 = 1" not in llama_cpp.llama_print_system_info()
        return params

    llama_cpp.llama_cpp.llama_model_default_params = without_amx
    threads = available_cores()
    begun = time.perf_counter()
    model = llama_cpp.Llama(
        str(path), n_ctx=CONTEXT, n_batch=512, n_ubatch=512, n_threads=threads,
        n_threads_batch=threads, n_gpu_layers=-1, verbose=False,
    )  # fmt: skip
    model.tokenize(b"a")
    return model, time.perf_counter() - begun


def measure_bare(model: llama_cpp.Llama, text: str) -> tuple[float, float]:
    """Tokens a second: read, written. Everything is evaluated anew."""
    tokens = model.tokenize(text.encode(), add_bos=False, special=True)
    model.reset()
    begun = time.perf_counter()
    model.eval(tokens)
    token = model.sample(temp=0.0)
    read = time.perf_counter()
    for _ in range(WRITTEN - 1):
        model.eval([token])
        token = model.sample(temp=0.0)
    ended = time.perf_counter()
    return len(tokens) / (read - begun), (WRITTEN - 1) / (ended - read)


def measure_engine(engine: LlamaCpp, number: int) -> tuple[float, float, int]:
    """Tokens a second: read, written; and how many were written. A system prompt of its own each
    time, so that nothing is reused."""
    sampling = Sampling(max_tokens=WRITTEN)
    with engine.generate(f"{SYSTEM} ({number})", prompt(), sampling) as stream:
        for _ in stream:
            pass
    result = stream.result
    assert result.cached_tokens == 0
    read = result.prompt_tokens / result.seconds_prefill
    return read, result.completion_tokens / result.seconds_decode, result.completion_tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, help="another model; it is measured, not verified")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    file = default_model()
    if arguments.gguf:
        with arguments.gguf.open("rb") as data:
            file = ModelFile(arguments.gguf, hashlib.file_digest(data, "sha256").hexdigest())
    begun = time.perf_counter()
    engine = LlamaCpp(file, EngineOptions(context=CONTEXT))
    engine.count_tokens("a")
    engine_load = time.perf_counter() - begun
    model, bare_load = bare(file.path)
    engine_rates, bare_rates = [], []
    for number in range(arguments.rounds):
        engine_rates.append(measure_engine(engine, number))
        bare_rates.append(measure_bare(model, engine.render(f"{SYSTEM} ({number})", prompt())))
    figures = {
        "model": engine.info.name,
        "runtime": engine.info.runtime,
        "threads": available_cores(),
        "busy": round(os.getloadavg()[0], 1),
        "prompt_tokens": engine.prompt_tokens(f"{SYSTEM} (0)", prompt()),
        "written_tokens": min(rate[2] for rate in engine_rates),
        "load_s": {"engine": round(engine_load, 3), "bare": round(bare_load, 3)},
    }
    for index, name in enumerate(("prefill_tokens_per_s", "decode_tokens_per_s")):
        ours = statistics.median(rate[index] for rate in engine_rates)
        theirs = statistics.median(rate[index] for rate in bare_rates)
        ratio = statistics.median(
            a[index] / b[index] for a, b in zip(engine_rates, bare_rates, strict=True)
        )
        figures[name] = {
            "engine": round(ours, 1), "bare": round(theirs, 1), "ratio": round(ratio, 3)
        }  # fmt: skip
    engine.close()
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
