"""What a GGUF file says about itself, read without any model library.

The format is ggml's (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): magic, version,
counts of tensors and key-value pairs, then the pairs. Only the pairs are read, tensors never. A
file is a stranger's until its digest has been checked, and often afterwards too, so every length
is held against a limit before anything of that length is read or allocated, nesting included.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import BinaryIO

MAX_PAIRS = 4096
MAX_KEY_BYTES = 1024
MAX_STRING_BYTES = 1 << 20  # a chat template is the longest we keep; a few KiB in practice
MAX_ITEMS = 4 << 20  # texts in one array; the largest vocabularies hold half a million
MAX_HEADER_BYTES = 256 << 20  # the vocabulary lies in here: 20 MiB for the largest seen

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)  # 1 counted in 32 bits and was in use for two weeks of 2023
_FIXED = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q"}
_FIXED |= {11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9

# `general.file_type` (enum llama_ftype of llama.h) by the name that file names use.
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip

Value = str | int | float | bool


class NotGGUF(ValueError):
    """The bytes are no GGUF header that we would trust; `str()` says why in a few words."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the file claims. `context` is the length it was trained on in tokens, 0 if unsaid;
    `parts` is more than 1 if this file is one of several; `template` the chat template."""

    name: str
    architecture: str
    quantization: str
    context: int
    parts: int
    template: str

    @property
    def template_sha256(self) -> str:
        return hashlib.sha256(self.template.encode()).hexdigest()


class _Reader:
    """Reads forward through `file`, never past `MAX_HEADER_BYTES` or the file's end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = min(size, MAX_HEADER_BYTES)

    def take(self, length: int) -> bytes:
        self._charge(length)
        data = self._file.read(length)
        if len(data) != length:
            raise NotGGUF("the header is cut short")
        return data

    def skip(self, length: int) -> None:
        self._charge(length)
        self._file.seek(length, 1)

    def number(self, layout: str) -> Value:
        value: Value = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def count(self, layout: str, limit: int, what: str) -> int:
        """An unsigned length, held against `limit`."""
        untrusted = int(self.number(layout))
        if untrusted > limit:
            raise NotGGUF(f"{what} is out of bounds")
        return untrusted

    def _charge(self, length: int) -> None:
        if length > self._left:
            raise NotGGUF("the header is cut short or too long")
        self._left -= length


def parse_header(file: BinaryIO, size: int) -> Header:
    """The header at the start of `file`, which holds `size` bytes. Raises NotGGUF."""
    reader = _Reader(file, size)
    if reader.take(4) != _MAGIC:
        raise NotGGUF("not a GGUF file")
    if reader.number("<I") not in _VERSIONS:
        raise NotGGUF("a GGUF version that is not known")
    reader.take(8)  # how many tensors
    pairs: dict[str, Value] = {}
    for _ in range(reader.count("<Q", MAX_PAIRS, "the number of entries")):
        key = _text(reader.take(reader.count("<Q", MAX_KEY_BYTES, "a key's length")))
        value = _value(reader, reader.count("<I", 12, "a value's type"))
        if value is not None:
            pairs[key] = value
    return _header(pairs)


def _value(reader: _Reader, kind: int) -> Value | None:
    """The next value; None for an array or a very long string, which are passed over."""
    if kind == _ARRAY:
        _skip_array(reader)
        return None
    if kind == _STRING:
        length = reader.count("<Q", MAX_HEADER_BYTES, "a string's length")
        if length > MAX_STRING_BYTES:
            reader.skip(length)
            return None
        return _text(reader.take(length))
    return reader.number(_FIXED[kind])


def _skip_array(reader: _Reader) -> None:
    kind = reader.count("<I", 12, "an array's type")
    if kind == _ARRAY:
        raise NotGGUF("an array within an array")  # the format allows it, no model uses it
    if kind != _STRING:
        items = reader.count("<Q", MAX_HEADER_BYTES, "an array's length")
        reader.skip(items * struct.calcsize(_FIXED[kind]))
        return
    for _ in range(reader.count("<Q", MAX_ITEMS, "an array's length")):
        reader.skip(reader.count("<Q", MAX_HEADER_BYTES, "a string's length"))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NotGGUF("a text that is not UTF-8") from error


def _header(pairs: dict[str, Value]) -> Header:
    def text(key: str) -> str:
        value = pairs.get(key, "")
        return value if isinstance(value, str) else ""

    def whole(key: str, default: int = 0) -> int:
        value = pairs.get(key, default)
        return value if type(value) is int and 0 <= value < 1 << 31 else default

    architecture = text("general.architecture")
    if not architecture:
        raise NotGGUF("no architecture is named")
    file_type = whole("general.file_type", -1)
    return Header(
        name=text("general.name") or text("general.basename") or architecture,
        architecture=architecture,
        quantization=_FILE_TYPES.get(file_type, "unknown"),
        context=whole(f"{architecture}.context_length"),
        parts=whole("split.count", 1),
        template=text("tokenizer.chat_template"),
    )
