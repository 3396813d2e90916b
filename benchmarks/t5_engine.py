"""Whether llama.cpp's encoder-decoder path computes what transformers does, on the same weights.

    PYTHONPATH=. python benchmarks/t5_engine.py [--prompts N] [--seed N]

Two tiny T5 (`tests/assistant/tiny_t5.py`): the first T5's form (ReLU, output layer tied to the
embeddings) and that of T5 1.1 and FLAN-T5 (gated GELU, an output layer of its own), random weights,
float32. Prompts of random tokens and lengths go one after the other through one context that is
cleared between; every second one is asked twice, the repetition after another prompt. For each
number format of evaluated tokens, with and without flash attention: the largest difference of a
logit, the same of what llama.cpp gives as it is, how many prompts' 20 greedy tokens are all
transformers', and where one is not, by how much transformers preferred its own. `f32, no flash` is
what `assistant.seq2seq` uses. Beside it the difference to a transformers whose GELU goes through
half precision as ggml's does, to show how much of the difference comes from there.

JSON to standard output; the exit code is 1 if, as `assistant.seq2seq` runs it, a logit differs by
more than the floor (1e-4 with ReLU, 0.1 with gates), a token differs that transformers preferred
by more than twice that, or a repetition differs in one bit.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.assistant.tiny_t5 import CONTEXT, EOS, FORMS, PIECES, STEPS, Running

FLOOR = {"relu": 1e-4, "gated": 0.1}
KINDS = {"f32": 0, "f16": 1}  # enum ggml_type
AS_USED = "f32, no flash"


def prompts(count: int, seed: int) -> list[tuple[int, ...]]:
    """Random tokens, 3 to 200 of them, and the end."""
    chance = np.random.default_rng(seed)
    lengths = chance.integers(3, min(200, CONTEXT), count)
    return [(*chance.integers(3, len(PIECES), n).tolist(), EOS) for n in lengths]


def halved_gelu(running: Running) -> None:
    """Let transformers' GELU take and give half precision between -10 and 10, as ggml's table."""
    import torch

    class Halved(torch.nn.Module):
        def __init__(self, exact: Any) -> None:
            super().__init__()
            self.exact = exact

        def forward(self, x: Any) -> Any:
            inner = self.exact(x.half().float()).half().float()
            return torch.where(x <= -10, 0.0, torch.where(x >= 10, x, inner))

    for stack in (running.torch.encoder, running.torch.decoder):
        for block in stack.block:
            dense = block.layer[-1].DenseReluDense
            dense.act = Halved(dense.act)


def largest(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    return float(np.abs(one - other).max())


def compare(running: Running, asked: list[tuple[int, ...]]) -> dict[str, Any]:
    """The figures of one context."""
    differences, raw, spans, margins = [], [], [], [0.0]
    same = repeated = 0
    for at, prompt in enumerate(asked):
        tokens, logits = running.answer(prompt)
        expected_tokens, expected = running.expected(prompt)
        alike = tokens == expected_tokens
        same += alike
        spans.append(float(np.ptp(expected)))
        # After a token of another choice the two write different texts: compare up to there.
        steps = STEPS if alike else 1 + [*map(int.__ne__, tokens, expected_tokens)].index(True)
        margins.append(float(expected[steps - 1].max() - expected[steps - 1][tokens[steps - 1]]))
        differences.append(largest(logits[:steps], expected[:steps]))
        raw.append(largest(logits[:steps] / running.reader.scale, expected[:steps]))
        if at % 2:
            running.answer(asked[at - 1])
            again, logits_again = running.answer(prompt)
            repeated += again == tokens and bool(np.array_equal(logits, logits_again))
    return {
        "largest_difference": max(differences),
        "median_difference": float(np.median(differences)),
        "without_scale": max(raw),
        "logits_span": max(spans),
        "answers_the_same": f"{same} of {len(asked)}",
        "margin_of_another_choice": max(margins),
        "repeated_bit_for_bit": f"{repeated} of {len(asked) // 2}",
    }


def changed(kind: int, flash: int) -> Callable[[Any], None]:
    def change(params: Any) -> None:
        params.type_k = params.type_v = kind
        params.flash_attn_type = flash

    return change


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    asked_for = parser.parse_args()
    asked = prompts(asked_for.prompts, asked_for.seed)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            found[form] = {}
            for kind, number in KINDS.items():
                for flash, told in ((0, "no flash"), (1, "flash")):
                    path = Path(folder) / "model.gguf"
                    running = Running(form, path, changed(number, flash))
                    key = f"{kind}, {told}"
                    found[form][key] = compare(running, asked)
                    if key == AS_USED and form == "gated":
                        halved_gelu(running)
                        halved = compare(running, asked)["largest_difference"]
                        found[form][key]["to_half_precision_gelu"] = halved
                    running.close()
    import llama_cpp
    import transformers

    versions = {
        "llama_cpp": llama_cpp.__version__,
        "llama.cpp": llama_cpp.llama_version().decode(),
        "transformers": transformers.__version__,
    }
    print(json.dumps({"versions": versions, **found}, indent=2))
    twice = f"{len(asked) // 2} of {len(asked) // 2}"
    return int(
        any(
            found[form][AS_USED]["largest_difference"] > FLOOR[form]
            or found[form][AS_USED]["margin_of_another_choice"] > 2 * FLOOR[form]
            or found[form][AS_USED]["repeated_bit_for_bit"] != twice
            for form in FORMS
        )
    )


if __name__ == "__main__":
    sys.exit(main())
