"""How a model is to run so that it fits the machine, and what to say where that is not as asked.

The decision alone, from plain values; `fit_file` at the end reads a model's file and the machine.
What is asked for explicitly is taken first and given up last, but it is given up rather than let
fail: a setting that worked with one model must not stop the service with the next. Each step back
is a sentence with its numbers, which the model's notes and the log carry. In this order:

1. fewer answers at a time, down to one (automatically: as many as fit, of `AUTOMATIC_SEQUENCES`);
2. q8_0 in place of f16 for evaluated tokens, about half the memory, if no format was asked for;
3. fewer layers on the GPU, down to none;
4. q8_0 also where f16 was asked for;
5. a smaller context, down to `LEAST_CONTEXT`.

Layers on the GPU come before answers at a time: one layer in slower memory slows every answer, so
that on a GPU steps 1 and 2 are tried with all layers first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from assistant import shelf
from assistant.engine_options import AUTOMATIC_SEQUENCES, EngineOptions
from assistant.errors import ModelTooLarge
from assistant.machine import Machine, look
from assistant.memory_plan import KV, MIB, Plan, Shape, Wanted, can_hold, plan
from assistant.shelf import ModelFile

OUTPUTS = 16  # as `assistant.llamacpp_engine` reserves logits on a GPU
LEAST_CONTEXT = 2048  # less does not hold a system prompt, a few passages and an answer
KEPT_FREE = 256 * MIB  # of the machine's memory, for whatever else there is
KEPT_FREE_GPU = 128 * MIB
"""What the driver needs to go on working, and the plan's own inexactness."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """`options` with nothing left to choose: `sequences` at least 1, `gpu_layers` at least 0 and
    `kv_cache` a format. `plan` is what they take and `notes` say what is not as asked for."""

    options: EngineOptions
    plan: Plan
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that a model may take: of memory, and of the GPU that it may use (0: none)."""

    memory: int
    gpu: int = 0

    @classmethod
    def of(cls, machine: Machine, other_bytes: int = 0, other_gpu_bytes: int = 0) -> Room:
        """What `machine` has left when something else takes `other_bytes` besides."""
        gpu = machine.gpu.free - KEPT_FREE_GPU - other_gpu_bytes if machine.gpu else 0
        return cls(max(0, machine.available - KEPT_FREE - other_bytes), max(0, gpu))

    def holds(self, made: Plan) -> bool:
        return made.memory <= self.memory and made.gpu <= self.gpu


def fit(
    shape: Shape,
    options: EngineOptions,
    machine: Machine,
    other_bytes: int = 0,
    other_gpu_bytes: int = 0,
    least_context: int = LEAST_CONTEXT,
) -> Fitted:
    """The best way to run the model that fits. Other things take `other_bytes` of memory besides
    (the embedder, a model that is being replaced) and `other_gpu_bytes` of the GPU's.

    Raises ModelTooLarge if it does not fit in any way.
    """
    room = Room.of(machine, other_bytes, other_gpu_bytes)
    context = _context(shape, options)
    least = min(context, max(256, least_context))
    wish = _wish(shape, options, machine, context)
    smallest = plan(shape, wish)
    for wanted in _ways(shape, wish, options, least, room):
        smallest = plan(shape, wanted)
        if room.holds(smallest):
            fitted = replace(
                options,
                context=wanted.context,
                sequences=wanted.sequences,
                kv_cache=wanted.kv_cache,
                gpu_layers=wanted.gpu_layers,
            )
            return Fitted(fitted, smallest, _notes(shape, options, wish, wanted, room, machine))
    raise ModelTooLarge(smallest.memory, room.memory, smallest.wanted.context)


def both_fit(old: Plan, shape: Shape, options: EngineOptions, machine: Machine) -> Fitted | None:
    """How a new model could run while the old one, whose memory `machine` already misses, is
    still loaded; None if it cannot, or only with less than it would have alone: then the old one
    must end first."""
    freed = replace(
        machine,
        available=machine.available + old.memory,
        gpus=tuple(
            replace(gpu, free=gpu.free + (old.gpu if gpu is machine.gpu else 0))
            for gpu in machine.gpus
        ),
    )
    try:
        beside, alone = fit(shape, options, machine), fit(shape, options, freed)
    except ModelTooLarge:
        return None
    return beside if beside.options == alone.options else None


def _context(shape: Shape, options: EngineOptions) -> int:
    """Never more than the model was trained on, as the engine does it."""
    return min(options.context, shape.trained) if shape.trained else options.context


def _wish(shape: Shape, options: EngineOptions, machine: Machine, context: int) -> Wanted:
    """What was asked for, with the best in place of what was left open."""
    layers = 0
    if machine.gpu is not None:
        asked = options.gpu_layers
        layers = shape.depth if asked < 0 else min(asked, shape.depth)
    sequences = options.sequences or AUTOMATIC_SEQUENCES
    return Wanted(
        context,
        sequences,
        _format(shape, options, layers),
        layers,
        outputs=max(sequences, OUTPUTS) if layers else 0,
        kept=options.conversation_mib * MIB,
    )


def _format(shape: Shape, options: EngineOptions, gpu_layers: int) -> KV:
    """q8_0 on a GPU, f16 on a processor, unless another was asked for or cannot be."""
    asked = options.kv_cache
    kind: KV = asked if asked != "auto" else ("q8_0" if gpu_layers else "f16")
    return kind if can_hold(shape, kind) else "f16"


def _ways(
    shape: Shape, wish: Wanted, options: EngineOptions, least: int, room: Room
) -> Iterator[Wanted]:
    """Ways to run, the best first; see the module's docstring for the order."""
    contexts = [wish.context]
    while contexts[-1] > least:
        contexts.append(max(least, contexts[-1] * 3 // 4 // 256 * 256))
    for context in contexts:
        asked = replace(wish, context=context)
        if wish.gpu_layers:
            yield from _narrower(shape, asked, options.kv_cache == "auto")
            yield from _fewer_layers(shape, replace(asked, sequences=1), room)
        on_cpu = replace(asked, gpu_layers=0, kv_cache=_format(shape, options, 0))
        yield from _narrower(shape, on_cpu, options.kv_cache == "auto")
        if on_cpu.kv_cache == "f16" and can_hold(shape, "q8_0"):
            yield replace(on_cpu, sequences=1, kv_cache="q8_0")


def _narrower(shape: Shape, wanted: Wanted, free: bool) -> Iterator[Wanted]:
    """With fewer and fewer answers at a time, and then with q8_0 if the format is `free`."""
    for sequences in range(wanted.sequences, 0, -1):
        yield replace(wanted, sequences=sequences)
    if free and wanted.kv_cache == "f16" and can_hold(shape, "q8_0"):
        for sequences in range(wanted.sequences, 0, -1):
            yield replace(wanted, sequences=sequences, kv_cache="q8_0")


def _fewer_layers(shape: Shape, wanted: Wanted, room: Room) -> Iterator[Wanted]:
    """With the most layers on the GPU that fit it, if any do."""
    for layers in range(min(wanted.gpu_layers, shape.layout.layers), 0, -1):
        fewer = replace(wanted, gpu_layers=layers)
        if plan(shape, fewer).gpu <= room.gpu:
            yield fewer
            return


def _notes(
    shape: Shape,
    options: EngineOptions,
    wish: Wanted,
    got: Wanted,
    room: Room,
    machine: Machine,
) -> tuple[str, ...]:
    """What is not as asked for, each in a sentence with its numbers."""
    whole = plan(shape, wish)
    short = (
        f"{size(whole.gpu)} of GPU memory are needed and {size(room.gpu)} are free"
        if whole.gpu > room.gpu
        else f"{size(whole.memory)} of memory are needed and {size(room.memory)} are free"
    )
    notes = [machine.warning] if machine.warning else []
    if options.gpu_layers > 0 and machine.gpu is None and not machine.warning:
        notes.append(
            f"gpu_layers = {options.gpu_layers} has no effect: there is no GPU here that "
            "llama.cpp can use."
        )
    if got.gpu_layers < wish.gpu_layers:
        notes.append(
            f"{got.gpu_layers} of {shape.depth} layers are on the GPU instead of "
            f"{wish.gpu_layers}, because {short}."
        )
    if got.context < wish.context:
        notes.append(f"The context is {got.context} tokens instead of {wish.context}: {short}.")
    if options.context > wish.context:
        notes.append(
            f"The context is {got.context} tokens, because the model was trained on "
            f"{shape.trained} and not on {options.context}."
        )
    if got.sequences < (options.sequences or wish.sequences):
        notes.append(
            f"{got.sequences} answers are written at a time instead of {wish.sequences}: {short}."
        )
    fits = can_hold(shape, "q8_0")
    if options.kv_cache == "q8_0" and not fits:
        notes.append("Evaluated tokens are kept as f16: this model's heads do not fit q8_0.")
    elif got.kv_cache != wish.kv_cache and got.gpu_layers == wish.gpu_layers:
        notes.append(
            f"Evaluated tokens are kept as {got.kv_cache} instead of {wish.kv_cache}: {short}."
        )
    return tuple(notes)


def size(count: int) -> str:
    """Bytes for a person."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def fit_file(
    model: ModelFile,
    options: EngineOptions,
    other_bytes: int = 0,
    other_gpu_bytes: int = 0,
    machine: Machine | None = None,
) -> Fitted:
    """`fit` for a file and this machine as it is now; the file's digest is not checked.

    Raises ModelMissing, ModelUnreadable or ModelTooLarge.
    """
    shape = Shape.of(shelf.describe(model))
    return fit(shape, options, machine or look(), other_bytes, other_gpu_bytes)
