"""Eight-bit numbers in place of 32-bit ones in a matrix product, so that its result hardly changes.

Plain arithmetic on arrays. The product x W, x (tokens, inputs) and W (inputs, outputs), becomes
integer when every value of x is one of 256 steps and every column of W one of 255. What spoils it
are a few inputs whose values are far larger than the others': they stretch the steps for all.
Two remedies, both decided from measured ranges:

- smoothing (Xiao et al., SmoothQuant, arXiv 2211.10438): input k is divided by s_k and row k of W
  multiplied by it, with s_k = max|x_k|^a / max|W_k|^(1-a);
- the widest inputs are told apart (`widest`), so that they can be multiplied in full precision.

Steps of x are fixed from the ranges, not measured per call: a text's vector is then the same
whatever it is computed together with. A value beyond the measured range is cut off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SMOOTHING = 0.85  # the exponent a: at .5 the weights, at 1 the values have the even steps
_LEAST = 1e-4  # a range that is nearly none


@dataclass(frozen=True, slots=True)
class Ranges:
    """The least and greatest value of each input, (inputs,)."""

    low: Floats
    high: Floats

    @property
    def most(self) -> Floats:
        """The greatest absolute value of each input."""
        found: Floats = np.maximum(np.abs(self.low), np.abs(self.high))
        return found

    def joined(self, other: Ranges) -> Ranges:
        """The ranges that hold both."""
        return Ranges(np.minimum(self.low, other.low), np.maximum(self.high, other.high))


def ranges(values: Floats) -> Ranges:
    """The ranges of `values`, (tokens, inputs), at least one token."""
    return Ranges(values.min(axis=0), values.max(axis=0))


def smoothing(measured: Ranges, weights: Iterable[Floats]) -> Floats:
    """What to divide each input by before the products with `weights` (inputs, outputs)."""
    largest = np.max([np.abs(each).max(axis=1) for each in weights], axis=0)
    values = np.maximum(measured.most, _LEAST)
    found = values**SMOOTHING / np.maximum(largest, _LEAST) ** (1 - SMOOTHING)
    scaled: Floats = (found / np.exp(np.log(found).mean())).astype(np.float32)
    return scaled


def widest(measured: Ranges, count: int) -> npt.NDArray[np.bool_]:
    """Which `count` inputs have the widest ranges, as a mask (inputs,)."""
    mask = np.zeros(len(measured.low), np.bool_)
    mask[np.argsort(-measured.most, kind="stable")[:count]] = True
    return mask


def steps(low: float, high: float) -> tuple[np.float32, np.uint8]:
    """Width of a step and the step that is zero, for values from `low` to `high` in 256 steps.

    Zero itself is always one of them.
    """
    low, high = min(low, 0.0), max(high, 0.0, low + _LEAST)
    width = np.float32((high - low) / 255)
    return width, np.uint8(np.clip(np.rint(-low / width), 0, 255))


def columns(weights: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """`weights` (inputs, outputs) as int8, and the width of each column's step (outputs,)."""
    width = np.maximum(np.abs(weights).max(axis=0), 1e-9).astype(np.float32) / np.float32(127)
    return np.rint(weights / width).astype(np.int8), width
