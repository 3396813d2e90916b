"""What a folder of model files says of itself, read before anything of it is loaded or run.

Shared by the embedder, the reranker and the classifier, whatever computes. Only pinned files are
read: small JSON files as a whole, weights by their headers. A safetensors file is a little-endian
64-bit length, as many bytes of JSON and then nothing but the numbers that the JSON names
(https://huggingface.co/docs/safetensors).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from index import manifest

UNSAID = 10**9
"""Tokens from which on a stated window says that there is none; transformers writes 10**30."""

_HEADER_BYTES = 100_000_000  # of a safetensors file, as its format limits it
_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
# RoBERTa's kin number a text's tokens from one after the padding token's number.
_AFTER_PADDING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "ibert",
        "longformer",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)


def json_of(folder: Path, name: str, pins: Mapping[str, str]) -> Any:
    """What a pinned JSON file holds, None if none is pinned. Raises ValueError, and as `check`."""
    return json.loads(manifest.read_pinned(folder, name, pins)) if name in pins else None


def config_of(folder: Path, name: str, pins: Mapping[str, str]) -> dict[str, Any]:
    """A pinned configuration, empty if none is pinned. Raises ValueError, and as `check`."""
    found = json_of(folder, name, pins)
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"{name} is no configuration")
    return found or {}


def weights(pins: Mapping[str, str]) -> list[str]:
    """The weight files at the folder's root that a loader takes."""
    if "model.safetensors" in pins:
        return ["model.safetensors"]
    parts = [name for name in pins if name.startswith("model-") and name.endswith(".safetensors")]
    return sorted(parts) if "model.safetensors.index.json" in pins else []


def stored(folder: Path, pins: Mapping[str, str]) -> Iterator[str]:
    """The names of the tensors that the weight files hold, from their headers.

    A model whose head is not stored would be given a random one, with a warning at most. Raises
    ValueError for a file that is no safetensors file.
    """
    for name in weights(pins):
        yield from _header(folder, name)[0]


def require_whole(folder: Path, pins: Mapping[str, str]) -> None:
    """Raises ValueError if a weight file is no safetensors file or ends before its numbers do."""
    for name in weights(pins):
        tensors, begun = _header(folder, name)
        ends = [
            each["data_offsets"][1]
            for key, each in tensors.items()
            if key != "__metadata__" and isinstance(each, dict)
        ]
        if (folder / name).stat().st_size < begun + max(ends, default=0):
            raise ValueError(f"{name} is cut short")


def _header(folder: Path, name: str) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file and where its numbers begin. Raises ValueError."""
    with (folder / name).open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        if size > _HEADER_BYTES:
            raise ValueError(f"{name} is no safetensors file")
        try:
            found = json.loads(stream.read(size))
        except ValueError as error:
            raise ValueError(f"{name} is no safetensors file") from error
    if not isinstance(found, dict):
        raise ValueError(f"{name} is no safetensors file")
    return found, 8 + size


def foreign_code(folder: Path, *configs: Mapping[str, Any]) -> str:
    """Why the folder could run code of its own, empty if it could not.

    A pickle file can run anything when it is opened, so that none may lie here, used or not.
    """
    if any("auto_map" in config or "custom_pipelines" in config for config in configs):
        return "it needs code of its own, which is never run"
    pickled = sorted(path.name for path in folder.rglob("*") if path.suffix in _PICKLES)
    if pickled:
        return (
            f"it holds {pickled[0]}, which could run code when it is opened: keep the weights as "
            "safetensors only and pin the folder again"
        )
    scripts = sorted(path.name for path in folder.rglob("*.py"))
    return f"it holds the program {scripts[0]}, which is never run" if scripts else ""


def positions(config: Mapping[str, Any]) -> int:
    """How many tokens of a text a model has positions for, by its configuration; 0 if unsaid."""
    stated = config.get("max_position_embeddings")
    if not isinstance(stated, int) or stated <= 0:
        return 0
    if config.get("model_type") not in _AFTER_PADDING:
        return stated
    padding = config.get("pad_token_id")
    return max(stated - (padding if isinstance(padding, int) else 1) - 1, 0)
