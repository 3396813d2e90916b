"""Which backend computes a data folder's vectors: the decision alone, from plain values.

Three can: PyTorch (`torch`), ONNX Runtime in full precision (`onnx`) and ONNX Runtime with integer
products (`int8`). The first two give the same vectors and share a fingerprint; the third gives
others, under the fingerprint with `QUANTIZED` behind it. Vectors of both kinds never meet in one
data folder: a folder that has vectors goes on with the kind it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

Backend = Literal["torch", "onnx", "int8"]

QUANTIZED = "+int8-1"
"""Behind a model's fingerprint; the number is of how the graph is written (`index.embed_graph`)."""
WORTH = 1.2
"""How many times as fast as the others `int8` must be to be chosen for new folders."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What set-up chose: `plain` for folders with vectors in full precision, `new` for those
    without vectors, and why, for a person.
    """

    plain: Backend
    new: Backend
    why: str = ""


def choose(rates: Mapping[str, float]) -> Choice:
    """Choose from measured texts a second; what was not let in is not among `rates`.

    `torch` always is.
    """
    plain: Backend = "onnx" if rates.get("onnx", 0.0) > rates["torch"] else "torch"
    new: Backend = "int8" if rates.get("int8", 0.0) >= WORTH * rates[plain] else plain
    times = ", ".join(
        f"{name} {rate / rates['torch']:.1f}" for name, rate in rates.items() if name != "torch"
    )
    return Choice(plain, new, f"times as fast as PyTorch: {times}" if times else "PyTorch alone")


def backend_for(demanded: str, *, gpu: bool, pinned: str, plain: str, choice: Choice) -> Backend:
    """The backend for a data folder.

    `demanded` is the setting, `auto` or a backend; `pinned` the fingerprint of the folder's
    vectors, empty if it has none; `plain` that of the model in full precision.
    """
    if demanded != "auto":
        return cast(Backend, demanded)
    if pinned == plain + QUANTIZED:
        return "int8"
    if gpu:
        return "torch"
    return choice.plain if pinned else choice.new
