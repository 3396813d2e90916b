"""Planned memory beside what llama.cpp reports and what the model's process really uses.

    python benchmarks/memory_plan.py [--shapes] [--measure] [--gguf FILE] [--gpu] [--json]

`--shapes`: for ten models of the field, each context, number format and number of answers at a
time: the plan beside llama.cpp's own figures. The files have the real shapes and a hole where the
weights would be, and llama.cpp is asked without letting it allocate anything, so that this takes
seconds and no memory.

`--measure`: the engine loads the default model, generated models and (`--gguf`) a file, every
sequence is filled up to its context (of `--gguf` 256 tokens), and then the process is looked at:
what it holds of its own (`Anonymous`), and what it touched of its file meanwhile (`Referenced`,
after `clear_refs`). Pages of the file that were read once to be repacked are not counted: the
system may drop them at once.

`--gpu`: Mistral-7B and Phi-3-mini shapes in Q4_K_M with generated weights on the GPU; memory by
NVML before and after, tokens a second beside llama.cpp's own `llama-bench` if that is on PATH,
else beside a bare loop over the binding. Needs llama.cpp built for the GPU and 8 GB of disk.

Floor: everything together within 5 %.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant import gguf
from assistant.engine_options import EngineOptions
from assistant.llamacpp import LlamaCpp
from assistant.machine import look
from assistant.memory_plan import BATCH, MIB, Plan, Shape, Wanted, plan
from assistant.model import Caller, Sampling
from assistant.shelf import ModelFile, default_model

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.generated_gguf import (
    MISTRAL_7B,
    PHI_3_MINI,
    SHAPES,
    SMOL,
    Sizes,
    write,
)

FLOOR = 0.05
# Context, answers at a time, number format.
RUNS = ((2048, 1, "f16"), (4096, 2, "f16"), (8192, 4, "f16"), (4096, 4, "q8_0"))
SMALL = Sizes("Llama of 0.7 GB", "llama", 16, 2048, 8192, 32, 8, 64, 32_000, trained=8192)
SETTLED_SECONDS = 1.0

Row = dict[str, Any]


def shape_of(path: Path) -> Shape:
    with path.open("rb") as file:
        return Shape.of(gguf.parse_header(file, path.stat().st_size))


# What llama.cpp reports


@dataclass(frozen=True)
class Reported:
    """llama.cpp's own figures in bytes; rounded by it to 0.01 MiB."""

    weights: int
    kv: int
    compute: int
    output: int


def reported(path: Path, wanted: Wanted) -> Reported:
    """Ask llama.cpp, in a process of its own, to plan `path` without allocating anything."""
    order = json.dumps(
        [str(path), wanted.context, wanted.sequences, wanted.kv_cache, wanted.outputs]
    )
    asked = subprocess.run(
        [sys.executable, __file__, "--ask", order], capture_output=True, text=True, check=True
    )
    return Reported(*json.loads(asked.stdout))


def ask(path: str, context: int, sequences: int, kv_cache: str, outputs: int) -> list[int]:
    """What `reported` runs: load and open a context with llama.cpp's log held, allocate nothing."""
    import llama_cpp

    said: list[str] = []

    @llama_cpp.llama_log_callback
    def hear(level: int, text: bytes, _: object) -> None:
        said.append(text.decode(errors="replace"))

    llama_cpp.llama_log_set(hear, None)
    llama_cpp.llama_backend_init()
    model_params = llama_cpp.llama_model_default_params()
    model_params.no_alloc, model_params.load_mode = True, llama_cpp.LLAMA_LOAD_MODE_NONE
    model = llama_cpp.llama_model_load_from_file(path.encode(), model_params)
    params = llama_cpp.llama_context_default_params()
    params.n_ctx, params.n_seq_max, params.kv_unified = context * sequences, sequences, False
    params.n_batch = params.n_ubatch = 512
    params.n_outputs_max = outputs
    params.type_k = params.type_v = 8 if kv_cache == "q8_0" else 1
    params.flash_attn_type = 1 if kv_cache == "q8_0" else 0
    opened = llama_cpp.llama_init_from_model(model, params)
    assert opened, "".join(said)[-2000:]
    text = "".join(said)
    figures = (
        re.findall(r"llama_kv_cache: size = +([\d.]+) MiB", text),
        re.findall(r"compute buffer size = +([\d.]+) MiB", text),
        re.findall(r" output buffer size = +([\d.]+) MiB", text),
    )
    return [
        llama_cpp.llama_model_size(model),
        *(round(sum(map(float, found)) * MIB) for found in figures),
    ]


def compare_shapes(folder: Path) -> Iterator[Row]:
    for sizes in SHAPES.values():
        path = folder / "shape.gguf"
        write(sizes, path, sparse=True)
        shape = shape_of(path)
        for context, sequences, kv_cache in RUNS:
            wanted = Wanted(context, sequences, kv_cache, outputs=BATCH)  # type: ignore[arg-type]
            said, planned = reported(path, wanted), plan(shape, wanted)
            ours = planned.memory - planned.process
            theirs = said.weights + said.kv + said.compute + said.output
            yield {
                "model": sizes.name,
                "run": f"{context} x {sequences}, {kv_cache}",
                "weights_mib": [mib(planned.weights_memory), mib(said.weights)],
                "kv_mib": [mib(planned.kv_memory), mib(said.kv)],
                "compute_mib": [mib(planned.compute_memory), mib(said.compute)],
                "ratio": round(ours / theirs, 4),
            }
        path.unlink()


# What the process uses


def measure(
    path: Path, context: int, sequences: int, filled: int = 0, conversation_mib: int = 0
) -> Row:
    """Load `path` in the engine, fill every sequence with `filled` tokens (0: all it holds), and
    look at its process."""
    kept = conversation_mib * MIB
    planned = plan(shape_of(path), Wanted(context, sequences, "f16", kept=kept))
    options = EngineOptions(
        context=context, sequences=sequences, gpu_layers=0, conversation_mib=conversation_mib
    )
    with LlamaCpp(pinned(path), options) as engine:
        info, pid = engine.info, engine.process().pid
        Path(f"/proc/{pid}/clear_refs").write_text("1")
        speak(engine, sequences, filled or info.context)
        used = used_by(pid)
    return {
        "model": info.name,
        "run": f"{info.context} x {sequences}, {info.kv_cache}",
        "planned_mib": mib(planned.memory),
        "used_mib": mib(used),
        "ratio": round(planned.memory / used, 4),
        "parts_mib": parts(planned),
    }


def pinned(path: Path) -> ModelFile:
    with path.open("rb") as file:
        return ModelFile(path, hashlib.file_digest(file, "sha256").hexdigest())


def speak(engine: LlamaCpp, sequences: int, tokens: int) -> None:
    """An answer in every sequence at once, each with a prompt that fills it."""
    text = "a b c d " * (tokens // 4)
    written = 8
    while engine.prompt_tokens("", text) > tokens - written:
        text = text[: len(text) * 15 // 16]

    def one(number: int) -> None:
        caller = Caller(f"person {number}", f"conversation {number}")
        sampling = Sampling(max_tokens=written)
        with engine.generate("", text, sampling, caller=caller) as stream:
            for _ in stream:
                pass

    threads = [threading.Thread(target=one, args=(number,)) for number in range(sequences)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(SETTLED_SECONDS)


def used_by(pid: int) -> int:
    """Bytes that a process holds of its own, or touched of its files since `clear_refs`."""
    total = 0
    for block in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path(f"/proc/{pid}/smaps").read_text()):
        fields = {name: int(kb) for name, kb in re.findall(r"^(\w+): +(\d+) kB", block, re.M)}
        own = fields.get("Anonymous", 0)
        touched = fields.get("Referenced", 0) if " /" in block.partition("\n")[0] else 0
        total += max(own, touched)
    return total << 10


def parts(planned: Plan) -> Mapping[str, int]:
    return {
        "weights": mib(planned.weights_memory),
        "kv": mib(planned.kv_memory),
        "compute": mib(planned.compute_memory + planned.output),
        "kept": mib(planned.kept),
        "process": mib(planned.process),
    }


def mib(size: int) -> int:
    return round(size / MIB)


def compare_measured(folder: Path, files: Sequence[Path]) -> Iterator[Row]:
    yield measure(default_model().path, 2048, 2)
    yield measure(default_model().path, 2048, 4, conversation_mib=92)
    for sizes, context, sequences in ((SMOL, 2048, 2), (SMALL, 1024, 2)):
        path = folder / f"{sizes.name}.gguf"
        write(sizes, path)
        yield measure(path, context, sequences)
        path.unlink()
    for path in files:
        yield measure(path, 2048, 2, filled=256)


# On a GPU


def compare_on_gpu(folder: Path) -> Iterator[Row]:
    gpu = look().gpu
    if gpu is None:
        print("no GPU that llama.cpp can use: nothing measured", file=sys.stderr)
        return
    for sizes in (MISTRAL_7B, PHI_3_MINI):
        path = folder / f"{sizes.name}.gguf"
        write(sizes, path)
        shape = shape_of(path)
        wanted = Wanted(4096, 4, "q8_0", gpu_layers=shape.depth)
        planned = plan(shape, wanted)
        options = EngineOptions(context=4096, sequences=4, gpu_layers=-1, kv_cache="q8_0")
        before = free_on_gpu()
        with LlamaCpp(pinned(path), options) as engine:
            engine.count_tokens("a")
            speak(engine, 4, 4096)
            used = before - free_on_gpu()
            ours = one_stream(engine)
        yield {
            "model": sizes.name,
            "run": "4096 x 4, q8_0, all layers on the GPU",
            "planned_mib": mib(planned.gpu),
            "used_mib": mib(used),
            "ratio": round(planned.gpu / used, 4),
            "tokens_per_second": ours,
            "bare_tokens_per_second": bare_stream(path),
        }
        path.unlink()


def free_on_gpu() -> int:
    found = look().gpu
    assert found is not None
    return found.free


def one_stream(engine: LlamaCpp) -> float:
    """Tokens a second of one answer alone, the best of three."""
    best = 0.0
    for _ in range(3):
        with engine.generate("", "a b", Sampling(max_tokens=128)) as stream:
            for _ in stream:
                pass
        done = stream.result
        best = max(best, done.completion_tokens / max(done.seconds_decode, 1e-9))
    return round(best, 1)


def bare_stream(path: Path) -> float:
    """The same by `llama-bench`, or by the binding in a bare loop."""
    if bench := shutil.which("llama-bench"):
        flags = ["-m", str(path), "-p", "0", "-n", "128", "-ngl", "99", "-fa", "1"]
        done = subprocess.run(
            [bench, *flags, "-ctk", "q8_0", "-ctv", "q8_0", "-o", "json"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return round(float(json.loads(done.stdout)[-1]["avg_ts"]), 1)
    done = subprocess.run(
        [sys.executable, __file__, "--bare", str(path)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def bare(path: str) -> float:
    import llama_cpp

    model = llama_cpp.Llama(
        path, n_ctx=4096, n_gpu_layers=-1, flash_attn=True, type_k=8, type_v=8, verbose=False
    )
    best = 0.0
    for _ in range(3):
        model.reset()
        model.eval([7, 8])
        begun = time.perf_counter()
        for _ in range(128):
            model.eval([model.sample(temp=0.0)])
        best = max(best, 128 / (time.perf_counter() - begun))
    return round(best, 1)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", action="store_true")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--gguf", type=Path, action="append", default=[])
    parser.add_argument("--keep", type=Path, help="write the Mistral-7B shape here and stop")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask:
        print(json.dumps(ask(*json.loads(given.ask))))
        return 0
    if given.bare:
        print(bare(given.bare))
        return 0
    if given.keep:
        write(MISTRAL_7B, given.keep)
        return 0
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        todo: list[Iterator[Row]] = []
        if given.shapes or not (given.measure or given.gpu or given.gguf):
            todo.append(compare_shapes(folder))
        if given.measure:
            todo.append(compare_measured(folder, given.gguf))
        elif given.gguf:
            todo.append(measure(path, 2048, 2, filled=256) for path in given.gguf)
        if given.gpu:
            todo.append(compare_on_gpu(folder))
        for rows in todo:
            for row in rows:
                worst = max(worst, abs(row["ratio"] - 1))
                print(json.dumps(row) if given.json else "  ".join(map(str, row.values())))
                sys.stdout.flush()
    print(f"farthest off: {worst:.1%} (floor {FLOOR:.0%})", file=sys.stderr)
    return int(worst > FLOOR)


if __name__ == "__main__":
    sys.exit(main())
